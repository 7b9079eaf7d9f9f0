"""What a person, or a script with names out of a repository, passes on is text, whatever bytes it is made of."""

import socket
import threading
from pathlib import Path

import pytest

from patina_assets.commands.initialise import open_repository, prepare_repository
from patina_assets.orchestration.automation import http_post
from patina_assets.passages.passage import Group, Passage
from patina_assets.search.asking.chosen import chosen_filters
from patina_assets.search.asking.filters import Filters
from patina_assets.search.files.passage_file import PassageFile
from patina_assets.search.files.passage_tables import encode_passages
from patina_resources.errors import PatinaError

ODD = ("\udcff", "a\0b", "'", '"', "%' OR 1 --", "*[", "\ud800")


@pytest.mark.parametrize("odd", ODD)
def test_odd_text_finds_nothing_and_breaks_nothing(odd: str) -> None:
    passage = Passage("function", "cache", symbol="cache", body="cache", path="a.py", author="Ada")
    file = PassageFile(encode_passages([passage], {}), "test")
    assert file.named([odd], 5) == {}
    assert file.holding("cache", {Group.CODE: [0]}) == {0}
    for filters in (Filters(path=odd), Filters(author=odd), Filters(since=f"9{odd}")):
        assert file.words('"cache"', Group.CODE, (1.0, 1.0, 1.0, 1.0), 5, filters) == []
        assert file.found({0: 1.0}, filters) == {}


def test_a_pattern_that_is_longer_than_any_path_is_refused() -> None:
    with pytest.raises(PatinaError, match="--path: expected at most 4096 characters, got 60000"):
        chosen_filters([], "*a" * 30_000, None, None, None)


def test_init_refuses_a_folder_in_the_place_of_gitignore(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitignore").mkdir()
    with pytest.raises(PatinaError, match="is no plain file"):
        prepare_repository(open_repository(tmp_path))


def test_an_answer_without_an_end_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_post, "MOST_ANSWER_BYTES", 1 << 16)
    with socket.create_server(("127.0.0.1", 0)) as server:
        sender = threading.Thread(target=_answer_without_end, args=(server,), daemon=True)
        sender.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        assert len(http_post.post_json(url, {}, 5)) == 1 << 16
        sender.join(5)
    assert not sender.is_alive()


def _answer_without_end(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
        try:
            while True:
                connection.sendall(bytes(65_536))
        except OSError:
            return
