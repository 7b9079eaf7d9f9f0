"""From fleet.toml to an answer: built, published, asked, withdrawn; and served behind a proxy."""

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from fleets import make_fleet
from postgres_server import PostgresServer
from published_fleet import all_rows, let_ask
from small_project import patina

from patina_assets.fleet.building import bring_up_to_date
from patina_assets.fleet.memory import fleet_memory
from patina_assets.search.published import own_indexes
from patina_resources.fleet.reader import read_fleet
from patina_resources.store.mothership import mothership

NAMES = "SELECT name, groups FROM patina.project ORDER BY name"
SECRET = "p" * 40


@pytest.fixture
def server(postgres: PostgresServer) -> PostgresServer:
    return postgres.with_database()


@pytest.fixture
def file(tmp_path: Path, server: PostgresServer) -> Path:
    """Return a fleet.toml whose repositories are built; nothing of them is published."""
    made, _ = make_fleet(tmp_path, is_built=True)
    mothership().settings.write_text(f'[fleet]\ndsn = "{server.dsn()}"\ngroups = ["staff"]\n')
    return made


def test_what_is_built_is_published_asked_and_withdrawn(file: Path, server: PostgresServer) -> None:
    shutil.rmtree(file.parent / "kept")
    assert patina("fleet", "run", "--file", str(file)).code == 0
    # A run publishes what it has built.
    assert all_rows(server, NAMES) == [("alpha", ["staff"]), ("beta", ["staff"]), ("gamma", ["staff"])]
    done = patina("scry", "--fleet", "Limit the requests of a tenant", "-k", "1")
    assert done.out.startswith("  1. alpha  "), done
    again = patina("fleet", "publish", "--file", str(file), "--json")
    assert again.code == 0, again
    told = json.loads(again.out)["published"]
    assert {(one["added"], one["moved"], one["removed"]) for one in told.values()} == {(0, 0, 0)}
    # Who may see it changes at once, though nothing of it was built.
    text = file.read_text()
    repositories = "".join(
        f'[[repositories]]\nname = "{name}"\npath = "{file.parent}/origins/{name}"\n{more}\n'
        for name, more in (("alpha", 'groups = ["board"]'), ("beta", "groups = []"))
    )
    file.write_text(text.partition("[[folders]]")[0] + repositories)
    left = patina("fleet", "publish", "--file", str(file))
    assert "published, but not in" in left.err, left
    assert all_rows(server, NAMES) == [("alpha", ["board"]), ("gamma", ["staff"])]
    assert "alpha" not in patina("scry", "--fleet", "Limit the requests of a tenant").out
    pruned = patina("fleet", "publish", "--file", str(file), "--prune", "alpha")
    assert "1 projects withdrawn" in pruned.out, pruned
    assert [name for name, _ in all_rows(server, NAMES)] == ["alpha"]


def test_groups_hold_though_nothing_can_be_built(file: Path, server: PostgresServer) -> None:
    assert patina("fleet", "publish", "alpha", "beta", "--file", str(file)).code == 0
    file.write_text(file.read_text().replace('["staff"]', '["board"]'))
    again = patina("fleet", "run", "alpha", "--no-fetch", "--file", str(file))
    assert "1 to be built, 1 done" in again.out, again
    assert all_rows(server, NAMES) == [("alpha", ["board"]), ("beta", ["staff"])]
    shutil.rmtree(file.parent / "kept" / "projects" / "beta" / ".patina" / "data" / "embeddings")
    failed = patina("fleet", "publish", "beta", "--file", str(file))
    assert (failed.code, "beta: not published" in failed.err) == (1, True), failed
    assert all_rows(server, NAMES) == [("alpha", ["board"]), ("beta", ["board"])]


def test_a_model_of_one_project_is_refused_and_the_others_are_published(file: Path, server: PostgresServer) -> None:
    shutil.rmtree(file.parent / "kept")
    text = file.read_text()
    file.write_text(
        text.partition("[[folders]]")[0]
        + f'[[repositories]]\npath = "{file.parent}/origins/alpha"\n'
        + f'[[repositories]]\npath = "{file.parent}/origins/beta"\nmodel = "corpus-static"\n'
    )
    ran = patina("fleet", "run", "--file", str(file))
    assert "cannot be compared" in ran.out + ran.err, ran
    published = patina("fleet", "publish", "--file", str(file))
    assert published.code == 1
    assert "beta: not published" in published.err
    assert [name for name, _ in all_rows(server, NAMES)] == ["alpha"]


def test_what_is_wrong_with_an_index_is_told_beside_the_publication(
    file: Path, server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATINA_FLEET", str(file))
    monkeypatch.setattr(own_indexes, "MADE_FROM", 1)
    monkeypatch.setattr(own_indexes, "DROPPED_BELOW", 1)
    monkeypatch.setattr(own_indexes, "BUILD_MEMORY", "1kB")  # Postgres refuses so little
    told = "published, but its own indexes could not be made: it refused the request (SQLSTATE 22023)"
    done = patina("fleet", "publish", "alpha")
    assert (done.code, done.out.startswith("alpha: "), f"patina: alpha: {told}" in done.err) == (0, True, True), done
    read = read_fleet(file, mothership())
    memory = fleet_memory(read)
    *_, published = bring_up_to_date(read, memory, "alpha", lambda _: None)
    assert (published.notice.startswith(told), "notice" in published.facts) == (True, False)
    assert memory.standing("alpha").failure == ""
    assert all_rows(server, NAMES) == [("alpha", ["staff"])]


def test_the_server_answers_behind_a_proxy_only(file: Path, server: PostgresServer) -> None:
    assert patina("fleet", "publish", "--file", str(file)).code == 0
    let_ask(server, "*")
    refused = patina("fleet", "serve", "--port", "1")
    assert (refused.code, refused.err.count("\n")) == (2, 1), refused
    command = [sys.executable, "-m", "patina_assets.cli", "fleet", "serve", "--port", "0"]
    environment = {**os.environ, "PATINA_FLEET_PROXY_SECRET": SECRET}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            line = process.stderr.readline()
            assert "questions to the fleet at http://127.0.0.1:" in line, line
            url = line.split(" at ")[1].split(" ")[0] + "api/v1/search"
            request = urllib.request.Request(
                f"{url}?q=Limit+the+requests", headers={"X-Patina-Proxy": SECRET, "X-Forwarded-Groups": "staff"}
            )
            with urllib.request.urlopen(request) as answer:
                assert json.load(answer)["hits"][0]["project"] == "alpha"
            with pytest.raises(urllib.error.HTTPError, match="403"):
                urllib.request.urlopen(f"{url}?q=Limit")
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
