"""Passages take time and room in proportion to the text that they are cut from, whatever an eventlog says of it."""

import gc
import hashlib
import json
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import pytest
from materialize_helpers import GitFolder
from processor_time import at_most

from patina_assets.pairs.files import read_files
from patina_assets.passages.code import CODE_DEFINITIONS, CODE_FILES, code_passages
from patina_assets.passages.documents import DOCUMENTS, document_passages
from patina_assets.passages.encoding import decode_passages, encode_passages_lines
from patina_assets.passages.files import files_to_read
from patina_assets.passages.history import COMMITS, commit_passages
from patina_assets.search.files.passage_file import PassageFile
from patina_assets.search.files.passage_tables import encode_passages
from patina_resources.eventlog.reader import Eventlog
from patina_resources.eventlog.writer import Event, open_eventlog
from patina_resources.materialize.run import materialize
from patina_resources.materialize.texts import texts_of_files

DEPTH = 4_000
DIGEST = "d" * 12


@contextmanager
def at_most_bytes(count: int) -> Iterator[None]:
    """Check that no more memory is taken at any moment."""
    gc.collect()
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < count
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("event", "is_function"), [("code.function", True), ("code.type", False)])
def test_definitions_in_definitions_take_room_in_proportion(event: str, is_function: bool) -> None:
    lines = [f"struct a{number} {{" for number in range(DEPTH)] + ["};"] * DEPTH
    places = {f"a{number}": [[number + 1, 2 * DEPTH - number, DIGEST]] for number in range(DEPTH)}
    told = [("a.h", is_function, f"a{number}", DIGEST, "", None, None) for number in range(DEPTH)]
    with at_most(5):
        found = list(code_passages([("a.h", "", json.dumps({event: places}))], told, {"a.h": "\n".join(lines)}))
    assert {passage.symbol for passage in found} >= {f"a{number}" for number in range(DEPTH)}
    assert sum(len(passage.body) for passage in found) < 20 * len("\n".join(lines))


def test_a_place_that_an_eventlog_repeats_is_read_once() -> None:
    text = "def f():\n" + "    pass\n" * 2_000
    rows = [("a.py", "", json.dumps({"code.function": {"f": [[1, 2_001, DIGEST]] * 20_000}}))]
    with at_most(5):
        found = list(code_passages(rows, [("a.py", True, "f", DIGEST, "", None, None)], {"a.py": text}))
    assert len(found) < 100


def test_sections_that_overlap_are_read_once() -> None:
    text = "# a\n" + "words of a section\n" * 2_000
    entries = [[first, 2_001, hashlib.sha256().hexdigest()] for first in range(1, 1_900)]
    with at_most(5):
        found = list(document_passages([("a.md", "", json.dumps({"doc.section": {"a": entries}}))], {"a.md": text}))
    assert len(found) < 100


def test_files_that_are_too_large_are_not_read_from_git(tmp_path: Path) -> None:
    folder = GitFolder(tmp_path / "project")
    folder.write("a.py", "def f(): pass\n")
    folder.git("add", "a.py")
    blob = folder.git("hash-object", "-w", "--stdin", stdin=bytes(20 << 20)).decode().strip()
    names = [f"large{number}.py" for number in range(5)]
    for name in names:
        folder.git("update-index", "--add", "--cacheinfo", f"100644,{blob},{name}")
    folder.git("commit", "-q", "-m", "large")
    (folder.path / "a.py").unlink()
    digest = hashlib.sha256(b"def f(): pass\n").hexdigest()
    asked = ["d" * 5_000, "x missing", "\udc80", "large0.py blob 1", *names, ":a.py", "a.py"]
    with at_most_bytes(10 << 20):
        found = texts_of_files(folder.path, [(path, digest) for path in asked])
    assert found == {"a.py": "def f(): pass\n"}


def test_no_two_texts_are_in_memory_at_once(tmp_path: Path) -> None:
    size, count = 256 << 10, 60
    folder = GitFolder(tmp_path / "project")
    paths = [f"docs/{number}.md" for number in range(count)]
    for number, path in enumerate(paths):
        folder.write(path, f"# {number}\n" + ("word " * 20 + "\n") * (size // 101))
    folder.commit("documents")
    eventlog = tmp_path / "patina.db"
    import_module("markdown_it")  # loaded when it is first needed, and no text
    with at_most_bytes(20 * size):
        materialize(folder.path, eventlog, only=["docs"])
    rows = Eventlog(eventlog).read([DOCUMENTS])[DOCUMENTS.name].rows
    for path in paths[::2]:  # git has it still
        (folder.path / path).unlink()
    with at_most_bytes(12 * size):
        texts = texts_of_files(folder.path, files_to_read(rows))
        assert len(texts) == count
        assert sum(len(passage.body) for passage in document_passages(rows, texts)) > count * size


def test_a_file_that_changes_while_it_is_read_has_no_text(tmp_path: Path) -> None:
    folder = GitFolder(tmp_path / "project")
    folder.write("a.md", "text")
    folder.commit("one")
    texts = texts_of_files(folder.path, [("a.md", hashlib.sha256(b"text").hexdigest())])
    assert dict(texts) == {"a.md": "text"}
    folder.write("a.md", "other")
    assert texts.get("a.md") is None


@pytest.mark.parametrize("odd", [5, 1.5, True, None, [1], {"a": 1}, "\ud800", "\0"])
def test_payloads_of_any_types_are_read_over(tmp_path: Path, odd: object) -> None:
    def event(kind: str, **fields: object) -> Event:
        return Event(kind, "", "a.py::f", "a.py", json.dumps(fields))

    names = ("digest", "doc", "parameters", "definition", "lines", "message", "body", "author", "sha", "files")
    full = dict.fromkeys(names, odd) | {"file": "a.py", "name": "f"}
    lines = {kind: {"f": [odd, [odd, 1, odd]]} for kind in ("code.function", "code.type", "doc.section")}
    changes: list[dict[str, object]] = [{}, {"file": odd}, {"name": odd}, {"file": "b.py", "lines": lines}]
    kinds = ("code.function", "code.type", "code.file", "doc.file", "git.commit")
    path = tmp_path / "patina.db"
    with open_eventlog(path) as writer, writer.transaction():
        writer.append([event(kind, **{**full, **change}) for kind in kinds for change in changes])
        writer.append([event(kind, file="b.py", digest=DIGEST, lines=lines) for kind in ("code.file", "doc.file")])
    read = Eventlog(path).read([CODE_DEFINITIONS, CODE_FILES, DOCUMENTS, COMMITS])
    rows = {name: source.rows for name, source in read.items()}
    texts = texts_of_files(tmp_path, files_to_read([*rows[CODE_FILES.name], *rows[DOCUMENTS.name]]))
    found = list(code_passages(rows[CODE_FILES.name], rows[CODE_DEFINITIONS.name], texts))
    found += [*document_passages(rows[DOCUMENTS.name], texts), *commit_passages(rows[COMMITS.name], read_files([]))]
    assert "f" in {passage.symbol for passage in found}
    assert list(decode_passages(encode_passages_lines(found))) == found
    assert PassageFile(encode_passages(found, {}), "test").count == len(found)
