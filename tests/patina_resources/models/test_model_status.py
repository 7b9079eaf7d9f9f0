from pathlib import Path

import pytest
from refusals import refusal
from tiny_models import write_sentence_folder

from patina_resources.models.add.add import add_model
from patina_resources.models.cache import remove_model
from patina_resources.models.lock import LockRecord, record_model
from patina_resources.models.registry import CORPUS_STATIC
from patina_resources.models.registry_files import load_registry
from patina_resources.models.status import model_row, model_rows
from patina_resources.store.mothership import Mothership


@pytest.fixture
def home(tmp_path: Path) -> Mothership:
    return Mothership(tmp_path / "mothership")


def test_every_model_of_the_registry_is_listed_with_what_to_run(home: Mothership) -> None:
    rows = {row.name: row for row in model_rows(home, load_registry(home))}
    assert len(rows) == 8
    assert (rows[CORPUS_STATIC].state, rows[CORPUS_STATIC].command) == ("built in", "")
    gte = rows["gte-base"]
    assert (gte.state, gte.dims, gte.download_mb, gte.command) == ("not added", 768, 110, "patina model add gte-base")


def test_a_model_goes_from_ready_to_missing(home: Mothership, tmp_path: Path) -> None:
    added = add_model(home, load_registry(home), "mine", folder=write_sentence_folder(tmp_path / "bert"))
    row = model_row(home, load_registry(home), "mine")
    assert (row.state, row.precision, row.command) == ("ready", "int8", "")
    assert row.bytes_on_disk == added.record.size_bytes
    assert row.downloaded == added.record.downloaded
    remove_model(home, "mine")
    row = model_row(home, load_registry(home), "mine")
    assert (row.state, row.bytes_on_disk, row.command) == ("missing", 0, "patina model add mine")


def test_a_record_of_another_tool_is_listed_too(home: Mothership) -> None:
    record = LockRecord("2025-12-16T19:30:00Z", "a", "b", "a" * 64, "b" * 64, 10, 1024)
    record_model(home.models_lock, "other-model", record)
    row = model_rows(home, load_registry(home))[-1]
    assert (row.name, row.dims, row.state, row.description) == (
        "other-model",
        1024,
        "missing",
        "not in the registry, not used",
    )
    assert "unknown model" in refusal(lambda: model_row(home, load_registry(home), "other-model"))
