"""Tests of `materialize/characters.py`: text in whatever encoding."""

import hashlib
from pathlib import Path

import pytest
from materialize_helpers import GitFolder, rows, scrape

from patina_resources.materialize.characters import characters
from patina_resources.materialize.texts import texts_of_files


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("Grüße €".encode(), "Grüße €"),
        ("Grüße".encode("latin-1"), "Grüße"),
        (b"Gr\xc3\xbc\xc3\x9fe, caf\xe9", "Grüße, café"),  # one line of a file was written by another editor
        (b"\xff\xfe\x80", "ÿþ€"),
        (b"caf\xe9\x85 \x93it\x94\x80", "café… “it”€"),
        (b"\x81\x9d", "\x81\x9d"),  # no character of any encoding
        ("日本".encode(), "日本"),
        (b"\xed\xa0\x80", "í\xa0€"),  # half of a pair is no character
        (b"", ""),
    ],
)
def test_bytes_that_are_no_utf_8_are_windows_1252(content: bytes, text: str) -> None:
    assert characters(content) == text
    assert characters(content).encode().decode() == text


def test_code_and_documents_in_latin_1_have_their_names_and_words(folder: GitFolder) -> None:
    code = 'class Größe:\n    def grüße(self):\n        """Grüße an alle."""\n        zähle()\n'.encode("latin-1")
    document = "# Café\n\nnaïve\n".encode("latin-1")
    folder.write("a.py", code)
    folder.write("a.md", document)
    folder.commit("one")
    assert scrape("code", folder).skipped == scrape("docs", folder).skipped == ()
    (function,) = rows(folder.eventlog, "code.function")
    assert (function["source_id"], function["data"]["doc"]) == ("./a.py::Größe.grüße", "Grüße an alle.")
    assert [row["data"]["callee"] for row in rows(folder.eventlog, "code.call")] == ["zähle"]
    assert [row["data"]["section"] for row in rows(folder.eventlog, "doc.section")] == ["Café"]
    files = [("./a.py", hashlib.sha256(code).hexdigest()), ("a.md", hashlib.sha256(document).hexdigest())]
    assert dict(texts_of_files(Path(folder.path), files)) == {
        "./a.py": code.decode("latin-1"),
        "a.md": document.decode("latin-1"),
    }
