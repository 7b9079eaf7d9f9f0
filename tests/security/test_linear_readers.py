"""Nothing that reads a repository's text takes time out of proportion to its length."""

import time
from contextlib import suppress
from pathlib import Path

import pytest
from amounts import SOAK
from materialize_helpers import GitFolder, rows
from processor_time import at_most

from patina_assets.pairs.types import PAIR_TYPES, pair_types_by_source
from patina_assets.recipe.reader import read_recipe
from patina_resources.errors import PatinaError
from patina_resources.eventlog.reader import Eventlog
from patina_resources.materialize.code.facts import read_facts
from patina_resources.materialize.code.languages.language import Language
from patina_resources.materialize.code.languages.languages import BY_NAME, LANGUAGES, relevant_nodes
from patina_resources.materialize.docs.markdown import MANY_BLOCKS, MANY_LINES, MOST_TOKENS, parse_markdown
from patina_resources.materialize.docs.sections import sections_of
from patina_resources.materialize.run import materialize
from patina_resources.project.config import read_config

SMALL, LARGE = 100_000, 1_000_000
# A megabyte of each shape takes minutes: `make soak`. Each pattern by itself is tried with one in any case.
SIZES = [SMALL, LARGE] if SOAK else [SMALL]
# Processor seconds for a megabyte of notes: the slowest shape takes four, one that takes its square hours.
SECONDS_PER_MEGABYTE = 15.0
NOTE_HEADS = ("", "---\n", "# Session: a\n## Key Decisions\n", "## Activity Log\n### 10:00 - ", "## Goals\n")
NOTE_UNITS = (
    "_", "- ", "* ", "#", "## ", "\n", " \n", "```\n", "**", "**a:** ", "## Goals\n- [x] a\n", "1. ", "- [ ] ",
    "(covering since ", "<!--", "architectur", "design ", "---\n", "--- ", "[", "{a: ", "- - ", "? ", "&a ", "!a ",
    "Date:", "Date: \n", "Work Type: ", "Commits:\n", "\r", "\u2028", "### a\n", "a\n", "none_", "\t", "\"\\",
    "|-\n", "> |\n",
)  # fmt: skip


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("place", ["layer/sessions", "docs/adr"])
def test_notes_and_records_take_time_in_proportion(tmp_path: Path, place: str, size: int) -> None:
    folder = GitFolder(tmp_path / "project")
    heads = NOTE_HEADS if SOAK and size == SMALL else NOTE_HEADS[2:4]
    units = NOTE_UNITS if size == SMALL else NOTE_UNITS[::4]
    texts = [head + unit * (size // len(unit)) + "\n---\nx" for head in heads for unit in units]
    texts = texts if size == SMALL else texts[::2]
    for number, text in enumerate(texts):
        folder.write(f"{place}/{number}.md", text)
    folder.commit("notes")
    with at_most(SECONDS_PER_MEGABYTE * size / 1e6 * len(texts) + 5):
        materialize(folder.path, folder.eventlog, only=["sessions"])


MARKDOWN_UNITS = (
    ">", "> ", "> - ", "> " * 120 + "a\n", "> - " * 60 + "a\n", "- " * 120 + "a\n", "- a\nb\n", "> a\nb\n", "1.\n",
    "-\n", "-\t", "=\n", "a\n", "* * *\n", "`", "[", "![", "<a\n", "<a b='c' ", "<!--\n", "<?\n", "<![CDATA[\n",
    "<div>\n", "> ```\n", "~~~~\n", "[a]: b\n", "\\\n", "**a:**\n", "**", "\t", "&amp;",
    "".join(" " * at + "- a\n" for at in range(0, 240, 2)),
)  # fmt: skip


@pytest.mark.parametrize("unit", MARKDOWN_UNITS)
def test_markdown_takes_time_in_proportion(unit: str) -> None:
    # The slowest shape takes a second, one that takes its square a minute and more.
    for head in ("", "- a\n"):
        with at_most(4):
            parse_markdown(head + unit * (SMALL // len(unit)), labels=True)


@pytest.mark.parametrize(
    ("unit", "left_out"),
    [
        ("-\n", MANY_LINES),
        ("# a\nb\n", MANY_LINES),
        ("> - " * 60 + "a\n", MANY_BLOCKS),
        ("> " * 90 + "a\n\n", MANY_BLOCKS),
        ("- a\n  - b" + " word" * 12 + "\n", ""),
    ],
)
def test_a_document_of_blocks_alone_is_not_told_apart(unit: str, left_out: str) -> None:
    text = unit * ((1 << 20) // len(unit))
    body = parse_markdown(text)
    assert body.left_out == left_out
    pending, count = list(body.blocks), 0
    while pending:
        count += 1
        pending.extend(pending.pop().blocks)
    assert count <= MOST_TOKENS
    # Its text is in one section then, and is found.
    if left_out == MANY_LINES:
        (section,) = sections_of("a.md", text)
        assert section.text == text.removesuffix("\n")


@pytest.mark.parametrize("size", SIZES)
def test_commit_messages_take_time_in_proportion(tmp_path: Path, size: int) -> None:
    folder = GitFolder(tmp_path / "project")
    units = (
        "fix ",
        "fixes: ",
        "fix\n",
        "a",
        "feat(",
        "feat(a",
        "(#1",
        "!",
        "BREAKING CHANGE",
        " ",
        "\n",
        "#1 ",
        "_",
        "{a => ",
    )
    for unit in units:
        message = (unit * (size // len(unit)) + "x").encode()
        tree = folder.git("write-tree").decode().strip()
        parent = ["-p", folder.head()] if unit != units[0] else []
        sha = folder.git("commit-tree", tree, *parent, stdin=message).decode().strip()
        folder.git("update-ref", "refs/heads/main", sha)
    with at_most(SECONDS_PER_MEGABYTE * size / 1e6 * len(units) + 5):
        materialize(folder.path, folder.eventlog)
        derive_all(folder.eventlog)
    assert len(rows(folder.eventlog, "git.commit")) == len(units)


def derive_all(eventlog: Path) -> None:
    """Make items and contexts of everything, as a build does."""
    for pair_type in PAIR_TYPES.values():
        read = Eventlog(eventlog).read(pair_type.sources)
        pair_type.derive({name: source.rows for name, source in read.items()})


def test_paths_that_look_like_renames_take_time_in_proportion(tmp_path: Path) -> None:
    folder = GitFolder(tmp_path / "project")
    for number in range(200):
        for unit in (" => ", "{ => ", "{", "}", "{a => b}", "_pb2", ".generated."):
            name = f"{number}{unit * (230 // len(unit))}"
            folder.write(f"{{{name}/{name}.py", "f()\n")
    folder.commit("paths")
    with at_most(60):
        materialize(folder.path, folder.eventlog)
        derive_all(folder.eventlog)


def test_a_name_that_every_file_has_and_calls_takes_time_in_proportion(tmp_path: Path) -> None:
    folder = GitFolder(tmp_path / "project")
    for number in range(4_000):
        folder.write(f"m{number}.py", "def run():\n    other.run()\n" + f"def f{number}():\n    a.run()\n")
    folder.commit("names")
    materialize(folder.path, folder.eventlog)
    with at_most(15):
        derive_all(folder.eventlog)


CODE = {
    "Python": ("[", "f().", "from a import b,", "f(x=", "def f(a: None|None=lambda x:"),
    "Rust": ("use a::{", "use a::b as c, ", "fn f(self: a, ", "impl &", "a::"),
    "JavaScript": ("(a=", "`${", "a?.", "/*c*/a."),
    "TypeScript": ("a<", "type A=|null", "(a: "),
    "TypeScript (JSX)": ("<a>", "{"),
    "Go": ("func f(a, ", "[]", "func (a *"),
    "Java": ("a<", "@A(", "new A(){"),
    "C": ("*", "(", "int f(int (*", "\n"),
    "C++": ("template<", "a::", "::", "\n"),
    "Ruby": ("f.", '"#{', "<<A\n", "f { |a| a }; ", "a, b = c; "),
    "C#": ("a<", "a?.", "[A]", "x(\n#if A\n", "#if A\n{ x\n"),
    "Scala": ("a.", "f(", "{", "A[", "import a.{", "def f(x: Int)("),
    "PHP": ("<?php a::", "<?php [", '<?php "{$', "<?php #["),
}


@pytest.mark.parametrize("language", LANGUAGES, ids=lambda language: language.name)
def test_source_files_take_time_in_proportion(tmp_path: Path, language: Language) -> None:
    folder = GitFolder(tmp_path / "project")
    suffix, units = language.suffixes[-1], CODE[language.name]
    for number, unit in enumerate(units):
        folder.write(f"deep{number}{suffix}", _in_lines(unit, SMALL))
    if SOAK:
        folder.write(f"large{suffix}", _in_lines(units[0], 1_040_000))
    folder.write(f"good{suffix}", "x\n")
    folder.commit("code")
    begun = time.monotonic()
    materialize(folder.path, folder.eventlog, only=["code"])
    # Two seconds of processor time a file and eight a megabyte, at most: beside other work, some more.
    assert time.monotonic() - begun < 4 * (2 * len(units) + 8)


@pytest.mark.parametrize(
    ("language", "head", "unit", "functions"),
    [
        ("JavaScript", "function f() { g() }\n", "a.", ["f"]),  # an error below more levels than 16 bits count
        ("JavaScript", "// doc\nfunction f() { g() }\n", "!", ["f"]),  # an error that holds many marks
        ("Python", "def f(): g()\n", "(", ["f"]),
        ("Rust", "fn f() { g() }\n", "&", ["f"]),
        ("Go", "func f() { g() }\n", "*", ["f"]),
        ("Java", "class A { void f() { g(); } }\n", "@", ["f"]),
        ("TypeScript", "const f = () => g()\n", "a().", ["f"]),  # a call of the result of many calls
        ("Ruby", "def f; g; end\n", "abcd.", ["f"]),
        ("Ruby", "def f; g; end\n", "=begin\n", ["f"]),  # comments that nothing ends
        ("Java", "class A { void f() { g(); } }\n", "a.b <", ["f"]),  # type arguments that nothing closes
        ("C#", "class A { void f() { g(); } }\n", "a<", ["f"]),
    ],
)
def test_chains_and_marks_in_an_error_take_time_in_proportion(
    language: str, head: str, unit: str, functions: list[str]
) -> None:
    relevant_nodes(language)
    with at_most(4):
        found = read_facts(BY_NAME[language], (head + unit * (2 * SMALL // len(unit))).encode())
    assert found.unread_bytes > 0
    assert [fact.fields["name"] for fact in found.facts if fact.event_type == "code.function"] == functions


def _in_lines(unit: str, size: int) -> str:
    """Return a text of short lines: one of long ones would be left out as minified."""
    line = unit * max(1, 200 // len(unit)) + "\n"
    return line * (size // len(line))


TOML_UNITS = (
    "a.", '"a".', "'a'.", '"\\"".', "a .", '"', "'", '"""', "a=1\n", "[a.b.c]\n", "[[a]]\n", "[", "{", "a=[", "a={b=",
    "\\", "#\n", "\n", " ", "1_", "1.", "-",
)  # fmt: skip
YAML_UNITS = (
    "_", "- ", "- a\n", "a: 1\n", "[", "{", "[a,", "{a,", "? ", "&a ", "*a\n", "!a ", "|\n", "'", '"', "\\x41", "a b ",
    "\t", "1", "-", ": ", "a: &a b\n", "version: 2\n", "%TAG ! a:\n", "---\n", "\u2028",
)  # fmt: skip


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("unit", TOML_UNITS)
def test_settings_take_time_in_proportion(tmp_path: Path, unit: str, size: int) -> None:
    path = tmp_path / "config.toml"
    for head in ("", "x = ", "[", "x = [", "x = {", 'x = "'):
        for end in ("", "a = 1\n", "]\n"):
            path.write_text(head + unit * (size // len(unit)) + end)
            with at_most(1 + 8 * size / 1e6), suppress(PatinaError):
                read_config(path)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("unit", YAML_UNITS)
def test_recipes_take_time_in_proportion(tmp_path: Path, unit: str, size: int) -> None:
    path = tmp_path / "oxidize.yaml"
    heads = ("", "version: 2\nprojections:\n  ", "a: [", "a: {", "a: |\n  ", 'a: "', "a: '")
    for head in heads if size == SMALL else heads[1:2]:
        path.write_text(head + unit * (size // len(unit)) + "\n")
        with at_most(2 + 40 * size / 1e6), suppress(PatinaError):
            read_recipe(path, pair_types_by_source())
