"""Documents -> their sections, as events: each once, wherever it moves; the text stays in git."""

import hashlib
from pathlib import Path

import pytest
from materialize_helpers import GitFolder, after, last_seq, live, rows, scrape
from processor_time import at_most

from patina_resources.materialize.docs.sections import format_of, sections_of
from patina_resources.materialize.run import materialize

Found = list[tuple[tuple[str, ...], int, int]]


def found(path: str, text: str) -> Found:
    """Return headings, first and last line of each section."""
    return [(section.headings, section.start_line, section.end_line) for section in sections_of(path, text)]


@pytest.mark.parametrize(
    ("text", "sections"),
    [
        ("intro\n\n# T\n\ntext\n\n## A\n\na\n### B\nb\n\n## C\nc\n",
         [((), 1, 1), (("T",), 3, 5), (("T", "A"), 7, 9), (("T", "A", "B"), 10, 11), (("T", "C"), 13, 14)]),
        ("# T\n```\n# no\n~~~\n```\n\n~~~~\n~~~\n## no\n~~~~\n", [(("T",), 1, 10)]),
        ("Title\nand more\n=====\n\nSub\n---\ntext\n\n---\n\nmore\n", [(("Title and more", "Sub"), 5, 11)]),
        ("---\ntitle: x\n# no\n---\n\n# T ##\ntext\n", [(("T",), 6, 7)]),
        ("<!--\n# no\n-->\n\n# T\n<!-- only a comment -->\n\n# U\n\n> ## quoted\n\n- # in a list\n", [(("U",), 8, 12)]),
        ("### deep\na\n# T\nb\n", [(("deep",), 1, 2), (("T",), 3, 4)]),
        ("no heading at all\n", [((), 1, 1)]),
        ("# T\n\na\n\n#\n\n## \nb\n", [(("T",), 1, 8)]),
        ("\n \n", []),
        ("---\na rule\n", [((), 1, 2)]),
        ("\r\n# T\r\ntext\r\n\r\n", [(("T",), 2, 3)]),
    ],
)  # fmt: skip
def test_sections_of_markdown(text: str, sections: Found) -> None:
    assert found("a.md", text) == sections


@pytest.mark.parametrize(
    ("text", "sections"),
    [
        (".. _label:\n\n=====\nTitle\n=====\n\ntext\n\nSub\n---\n\na\n\nOther\n-----\nb\n\nDeep\n~~~~\nc\n",
         [(("Title",), 3, 7), (("Title", "Sub"), 9, 12), (("Title", "Other"), 14, 16),
          (("Title", "Other", "Deep"), 18, 20)]),
        ("T\n=\n\ntext::\n\n    No\n    ==\n\n.. note::\n\n   No\n   --\n", [(("T",), 1, 12)]),
        ("Title\n===\nshort underlines are none\n", [((), 1, 3)]),
        ("A long title\n====\ntext\n", [(("A long title",), 1, 3)]),
        ("T\n=\n\ntext\n\n-----\n\nmore\n\n====  ====\na     b\n====  ====\n1     2\n====  ====\n", [(("T",), 1, 14)]),
        ("T\n=\n\nnot at\nthe beginning\n-------------\nof a paragraph\n", [(("T",), 1, 7)]),
        (":orphan:\n\n..  a comment\n    of two lines\n\n\nT\n=\n\n:field: x\n", [(("T",), 7, 10)]),
        ("T\n=\n\n====\n----\nb\n", [(("T",), 1, 6)]),
        ("  indented\n==========\ntext\n", [((), 1, 3)]),
        ("====\n T\n====\n\na\n\nT\n====\n\nb\n", [(("T",), 1, 5), (("T", "T"), 7, 10)]),
    ],
)  # fmt: skip
def test_sections_of_restructured_text(text: str, sections: Found) -> None:
    assert found("a.rst", text) == sections


def test_a_changelog_has_a_section_for_each_version() -> None:
    newest = "## [Unreleased]\n### Added\n- a\n### Fixed\n- b\n"
    markdown = f"# Changelog\n\nAll of it.\n\n{newest}\n## 1.2.0 - 2024-01-01\n- c\n### Old\n- d\n"
    path = ("Changelog",)
    versions = [((*path, "[Unreleased]"), 5, 9), ((*path, "1.2.0 - 2024-01-01"), 11, 14)]
    assert found("CHANGELOG.md", markdown) == [(path, 1, 3), *versions]
    assert len(found("guide.md", markdown)) == 5
    text = "Version 2.0\n-----------\n\n-   a\n\nFixes\n~~~~~\nb\n\nVersion 1.9\n-----------\nc\n"
    assert found("CHANGES.rst", text) == [(("Version 2.0",), 1, 8), (("Version 1.9",), 10, 12)]


@pytest.mark.parametrize(
    ("path", "markup"),
    [
        ("README.md", "Markdown"), ("docs/a/b.MD", "Markdown"), ("x.mdx", "Markdown"), ("a.rst", "reStructuredText"),
        ("README", "reStructuredText"), ("readme.txt", "reStructuredText"), ("CHANGES", "reStructuredText"),
        ("NEWS.txt", "reStructuredText"), ("docs/topics/forms.txt", "reStructuredText"), ("requirements.txt", None),
        ("notes.txt", None), ("docs/a.png", None), ("README.py", None), ("news/a.py", None), ("LICENSE", None),
        ("changes.py", None), ("historical", None),
    ],
)  # fmt: skip
def test_what_is_a_document(path: str, markup: str | None) -> None:
    assert format_of(path) == markup


def test_a_plain_text_without_headings_has_no_sections() -> None:
    assert found("docs/requirements.txt", "flask\nsphinx\n") == []
    assert found("README", "What it is.\n") == [((), 1, 1)]


def test_the_title_is_that_of_the_document() -> None:
    titles = [section.title for section in sections_of("a.md", "intro\n# T\ntext\n## A\na\n")]
    assert titles == ["T"] * 3
    assert {section.title for section in sections_of("docs/a.md", "# T\ntext\n# U\na\n")} == {"a.md"}
    assert {section.title for section in sections_of("docs/a.md", "## A\na\n## B\nb\n")} == {"a.md"}


@pytest.mark.parametrize(
    ("head", "title"),
    [
        ("---\ntitle: 'Set up: all'\nweight: 3\n---\n", "Set up: all"),
        ("---\nlayout: page\nTitle: >-\n  Set up\n\n  here # no comment\ntags: [a]\n---\n", "Set up here # no comment"),
        ('+++\ndraft = true\ntitle = "Set \\u0055p"\n+++\n', "Set Up"),
        ("---\ntitle: 2024-01-02 # a day\n{{ include }}: [\n---\n", "2024-01-02"),
        ("---\ntitle: [a, b]\n---\n", ""),
        ("---\ntitle: 'never closed\n---\n", ""),
        ("+++\ntitle = 5\n+++\n", ""),
        ('+++\ntags = [\n"a", "b",\n]\ntitle = "Own"\n[params]\ntitle = "Other"\n+++\n', "Own"),
        ('+++\n[params]\ntitle = "Other"\n+++\n', ""),
        ('---\ntitle: "a\\0\\e[31m\\nb\\ud800 \u0645\u06cc\u200c\u062e"\n---\n', "a [31m b \u0645\u06cc\u200c\u062e"),
        ("---\n---\n", ""),
    ],
)
def test_the_title_in_the_front_matter_stands_above_the_headings(head: str, title: str) -> None:
    lines = head.count("\n")
    above = (title,) if title else ()
    body = "\nintro\n\n## A\na\n\n## B\nb\n"
    wanted = [
        (above, lines + 2, lines + 2),
        ((*above, "A"), lines + 4, lines + 5),
        ((*above, "B"), lines + 7, lines + 8),
    ]
    assert found("a.md", head + body) == wanted
    assert {section.title for section in sections_of("a.md", head + body)} == {title or "a.md"}
    # A page that has a heading above all others says itself what it is called.
    assert found("a.md", f"{head}# T\n## A\na\n") == [(("T", "A"), lines + 2, lines + 3)]
    versions = f"{head}## 1.2\n- a\n### Fixed\n- b\n"
    assert found("CHANGELOG.md", versions) == [((*above, "1.2"), lines + 1, lines + 4)]


def test_a_heading_that_looks_like_a_table_is_one_line() -> None:
    assert found("a.md", "a | b\n|---|:-:|\n===\ntext\n") == [(("a | b |---|:-:|",), 1, 4)]


@pytest.mark.parametrize(
    "unit", ["=\n", "a\n=\n", "=\na\n=\n", "a\n", "= ", "=", ".. a\n", "-\n\n", "a\n\n=\n", '!"#\n']
)
def test_restructured_text_takes_time_in_proportion(unit: str) -> None:
    with at_most(8):
        sections_of("a.rst", unit * (1_000_000 // len(unit)))


@pytest.fixture
def folder(tmp_path: Path) -> GitFolder:
    folder = GitFolder(tmp_path / "project")
    folder.write(".gitignore", ".patina/\n")
    return folder


GUIDE = "# Guide\n\nHow to.\n\n## Install\n\npip install it\n\n## Use\n\nrun it\n"


def test_a_section_is_an_event_without_its_text(folder: GitFolder) -> None:
    folder.write("docs/guide.md", GUIDE)
    folder.commit("docs")
    assert scrape("docs", folder).new == {"doc.section": 3, "doc.file": 1}
    _, install, _ = rows(folder.eventlog, "doc.section")
    digest = hashlib.sha256(b"## Install\n\npip install it").hexdigest()
    assert (install["source_id"], install["source_file"]) == ("docs/guide.md::Guide > Install", "docs/guide.md")
    assert install["data"] == {
        "file": "docs/guide.md",
        "title": "Guide",
        "headings": ["Guide", "Install"],
        "section": "Install",
        "start_line": 5,
        "end_line": 7,
        "digest": digest,
    }
    (file,) = rows(folder.eventlog, "doc.file")
    assert (file["data"]["digest"], file["data"]["language"]) == (
        hashlib.sha256(GUIDE.encode()).hexdigest(),
        "Markdown",
    )
    assert file["data"]["lines"]["doc.section"]["Guide > Install"] == [[5, 7, digest[:12]]]
    assert {row["timestamp"] for row in rows(folder.eventlog)} == {"2023-11-15T00:14:20+02:00"}


def test_a_section_that_moved_is_the_same_fact(folder: GitFolder) -> None:
    path = folder.write("docs/guide.md", GUIDE)
    folder.commit("docs")
    scrape("docs", folder)
    before, seq = live(folder.eventlog, "doc.section"), last_seq(folder.eventlog)
    path.write_text(GUIDE.replace("## Use", "## New\n\nnew\n\n## Use"))
    assert scrape("docs", folder).new == {"doc.section": 1, "doc.file": 1}
    assert after(folder.eventlog, seq) == {"doc.removed": 1, "doc.section": 1, "doc.file": 1}
    (file,) = live(folder.eventlog, "doc.file")
    assert file["data"]["lines"]["doc.section"]["Guide > Use"][0][:2] == [13, 15]
    path.write_text(GUIDE)
    scrape("docs", folder)
    assert live(folder.eventlog, "doc.section") == before
    path.write_text(GUIDE.replace("run it", "run it well"))
    assert scrape("docs", folder).retracted == {"doc.section": 1, "doc.file": 1}
    assert scrape("docs", folder).new == scrape("docs", folder, full=True).new == {}
    path.unlink()
    assert scrape("docs", folder).retracted == {"doc.section": 3, "doc.file": 1}
    removed = rows(folder.eventlog, "doc.removed")
    assert {(row["source_id"], row["source_file"], row["data"]["file"]) for row in removed} == {("docs/guide.md",) * 3}
    assert live(folder.eventlog, "doc") == []


def test_only_what_git_tracks_and_is_no_note_is_a_document(folder: GitFolder, tmp_path: Path) -> None:
    text = "# T\n\ntext\n\n## Decision\n\nYes.\n"
    for file in ("README.md", "layer/sessions/a.md", "docs/adr/0001-a.md", "docs/adr/adr-template.md",
                 "node_modules/x/README.md", "sub/guide.md"):  # fmt: skip
        folder.write(file, text)
    folder.write("docs/adr/README.md", "# Records\n\nHow to write them.\n")
    folder.write("docs/binary.md", b"# T\n\0\n")
    folder.write("docs/huge.md", "x" * (1 << 20) + "y")
    (tmp_path / "outside.md").write_text(text)
    (folder.path / "docs/link.md").symlink_to(tmp_path / "outside.md")
    folder.commit("all")
    folder.write("untracked.md", text)
    sessions, docs = materialize(folder.path, folder.eventlog, only=["docs", "sessions"])
    assert (sessions.scraper, docs.scraper) == ("sessions", "docs")
    assert {row["source_file"] for row in live(folder.eventlog, "doc.file")} == {
        "README.md", "docs/adr/README.md", "sub/guide.md",
    }  # fmt: skip
    assert sorted(docs.skipped) == [
        "docs/binary.md: binary", "docs/huge.md: larger than 1 MiB", "docs/link.md: is a symbolic link",
    ]  # fmt: skip
    materialize(folder.path / "sub", tmp_path / "other.db", only=["docs"])
    assert {row["source_file"] for row in rows(tmp_path / "other.db", "doc.")} == {"sub/guide.md"}


def test_documents_that_are_not_checked_out_are_not_gone(folder: GitFolder) -> None:
    folder.write("docs/guide.md", GUIDE)
    folder.write("src/a.txt", "a\n")
    folder.commit("all")
    scrape("docs", folder)
    folder.git("sparse-checkout", "set", "src")
    assert not (folder.path / "docs").exists()
    report = scrape("docs", folder, full=True)
    assert (report.retracted, report.skipped) == (
        {}, ("docs: 1 file(s) are not checked out: what is known of them stays",),
    )  # fmt: skip


def test_a_repository_without_commits_has_no_documents(folder: GitFolder) -> None:
    folder.write("README.md", GUIDE)
    assert scrape("docs", folder).skipped == ("docs: there are no commits yet",)
