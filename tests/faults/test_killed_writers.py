"""`patina materialize` and `patina model add`, killed at any moment: the next run completes what they began."""

import sqlite3
import tomllib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from amounts import amount, moments
from commands import Commands, Ended
from faulty_projects import change_repository, copy, make_repository, succeed
from hub_server import Hub, running_hub
from tiny_hub import REPOSITORY, in_cache
from tiny_models import write_encoder, write_tokenizer

from patina_resources.project.project import find_project
from patina_resources.store.mothership import Mothership

MODEL = f"hf:{REPOSITORY}"
Rows = list[tuple[Any, ...]]


def event_rows(folder: Path) -> tuple[Rows, Rows, Rows]:
    """Return all events without their times, and what the scrapers remember; the file must be sound."""
    with closing(sqlite3.connect(find_project(folder).eventlog())) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        events = connection.execute("SELECT seq, event_type, source_id, source_file, data FROM eventlog ORDER BY seq")
        state = connection.execute("SELECT key, value FROM scrape_meta ORDER BY key")
        files = connection.execute("SELECT scraper, path, digest FROM scraped_files ORDER BY scraper, path")
        return events.fetchall(), state.fetchall(), files.fetchall()


@pytest.mark.parametrize("begun", [False, True], ids=["first", "later"])
def test_a_killed_materialize_is_completed_by_the_next(commands: Commands, folder: Path, begun: bool) -> None:
    untouched = make_repository(folder / "untouched")
    if begun:
        succeed(commands, untouched, "materialize")
        change_repository(untouched, 60, 6)
    undisturbed = copy(untouched, folder / "undisturbed")
    ended = commands.run(undisturbed, "materialize")
    assert ended.code == 0, ended
    expected = event_rows(undisturbed)
    count = amount(5, 100)
    for number, moment in enumerate(moments(count, ended.operations, 2)):
        project = copy(untouched, folder / f"killed-{number}")
        killed = commands.run(project, "materialize", kill_at=moment)
        assert killed.killed, killed
        succeed(commands, project, "materialize")
        assert event_rows(project) == expected, killed
        again = commands.run(project, "materialize")
        assert event_rows(project) == expected, again


@pytest.fixture
def hub(folder: Path) -> Iterator[Hub]:
    """Serve a tiny encoder."""
    files = folder / "encoder"
    write_encoder(files / "onnx" / "model.onnx", seed=1, pooled=True)
    write_tokenizer(files / "tokenizer.json")
    (files / "config.json").write_text('{"max_position_embeddings": 40}')
    with running_hub() as running:
        running.add_folder(REPOSITORY, files)
        yield running


def cache(home: Path) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Return the files of the cache by name, and models.lock without times."""
    place = Mothership(home)
    records = tomllib.loads(place.models_lock.read_text()) if place.models_lock.exists() else {}
    for record in records.values():
        record.pop("downloaded")
    return {name: (place.models / name).read_bytes() for name in in_cache(place)}, records


@pytest.mark.parametrize("replacing", [False, True], ids=["first", "later"])
def test_a_killed_model_add_is_completed_by_the_next(
    commands: Commands, hub: Hub, folder: Path, replacing: bool
) -> None:
    def add(home: Path, **faults: Any) -> Ended:
        environment = {"PATINA_HOME": str(home), "HF_ENDPOINT": hub.url}
        return commands.run(folder, "model", "add", MODEL, environment=environment, **faults)

    def verify(home: Path) -> Ended:
        return commands.run(folder, "model", "verify", environment={"PATINA_HOME": str(home)})

    before = folder / "before"
    before.mkdir()
    if replacing:
        old = write_encoder(folder / "old.onnx", seed=2, pooled=True).read_bytes()
        files = hub.repositories[REPOSITORY]
        new, files["onnx/model.onnx"] = files["onnx/model.onnx"], old
        assert add(before).code == 0
        files["onnx/model.onnx"] = new
        model = next(Mothership(before).models.rglob("*.onnx"))
        model.write_bytes(b"damaged")  # or nothing would be downloaded again
    undisturbed = copy(before, folder / "undisturbed")
    ended = add(undisturbed)
    assert ended.code == 0, ended
    expected = cache(undisturbed)
    assert len(expected[0]) == 2, expected[0].keys()
    for number, moment in enumerate(moments(amount(5, 100), ended.operations, 3)):
        home = copy(before, folder / f"home-{number}")
        killed = add(home, kill_at=moment)
        assert killed.killed, killed
        told = verify(home)
        assert told.code == 0 or "patina model add" in told.out + told.err, (killed, told)
        assert add(home).code == 0, killed
        assert verify(home).code == 0, killed
        assert cache(home) == expected, killed
