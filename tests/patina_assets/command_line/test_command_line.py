"""What a user may type: one grammar for all commands, and one sentence for what is wrong."""

import gc
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from root import ROOT
from small_project import patina

from patina_assets import cli
from patina_assets.command_line.grammar import CommandGroup, usage_sentence
from patina_assets.command_line.options import names, whole_number
from patina_assets.terminal.hits import missing_notes
from patina_assets.terminal.questions import read_standard_input, somebody_there
from patina_resources.project.project import Project

SECTIONS = ("Start:", "Build:", "Search:", "Look after:", "Models:")


def commands(group: click.Group, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], click.Command]]:
    """Return every command below a group, with what is typed for it."""
    context = click.Context(group)
    found = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        found.append(((*path, name), command))
        if isinstance(command, click.Group):
            found += commands(command, (*path, name))
    return found


COMMANDS = commands(cli.patina)


def test_every_command_is_there_and_says_what_it_does() -> None:
    assert len(COMMANDS) == 44
    for path, command in COMMANDS:
        assert command.help, path
        for parameter in command.params:
            assert isinstance(parameter, click.Argument) or parameter.help, (path, parameter.name)  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", [path for path, _ in COMMANDS], ids=" ".join)
def test_each_has_help_and_the_options_of_all(path: tuple[str, ...]) -> None:
    ran = patina(*path, "--help")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith(f"Usage: patina {' '.join(path)} ")
    assert "--debug" in ran.out
    assert "--version" in ran.out
    assert max(map(len, ran.out.splitlines())) <= 80


def test_the_help_groups_the_commands() -> None:
    out = patina().out
    assert out.startswith(patina("--help").out)
    places = [out.index(f"\n{section}") for section in SECTIONS]
    assert places == sorted(places)
    assert "init" in out[places[0] : places[1]]
    assert "oxidize" in out[places[1] : places[2]]
    assert "scry" in out[places[2] : places[3]]
    assert "doctor" in out[places[3] : places[4]]


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (["help"], ["--help"]),
        (["-h"], ["--help"]),
        (["help", "scry"], ["scry", "--help"]),
        (["scry", "-h"], ["scry", "--help"]),
        (["help", "model", "add"], ["model", "add", "--help"]),
        (["model", "help"], ["model", "--help"]),
        (["help", "help"], ["--help"]),
        (["--debug"], []),
        (["--debug", "help"], ["--help"]),
        (["help", "--debug"], ["--help"]),
        (["--debug", "-h"], ["--help"]),
        (["-h", "--debug"], ["--help"]),
        (["--debug", "help", "scry"], ["scry", "--help"]),
        (["help", "--debug", "scry"], ["scry", "--help"]),
        (["help", "scry", "--debug"], ["scry", "--help"]),
        (["model", "--debug", "help", "add"], ["model", "add", "--help"]),
        (["model", "--debug"], ["model", "--help"]),
        (["--debug", "version"], ["--version"]),
    ],
)
def test_help_is_asked_for_as_in_other_programs(words: list[str], asked: list[str]) -> None:
    ran = patina(*words)
    assert (ran.code, ran.out, ran.err) == (0, patina(*asked).out, "")


def test_version_and_debug_stand_anywhere(project: Project) -> None:
    for words in (["--version"], ["-V"], ["version"], ["scry", "--version"], ["scry", "x", "-V"], ["model", "version"]):
        ran = patina(*words)
        assert ran.code == 0
        assert ran.out.startswith("patina ")
    project.recipe.unlink()
    for words in (["--debug", "oxidize"], ["oxidize", "--debug"], ["oxidize", "--debug", "--full"]):
        assert "Traceback" in patina(*words).err
    assert "Traceback" not in patina("oxidize").err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["help", "oxidise"], "no such command 'oxidise' (did you mean 'oxidize'?)"),
        (["oxidise"], "no such command 'oxidise' (did you mean 'oxidize'?)"),
        (["search", "redirects"], "no such command 'search' (did you mean 'scry'?)"),
        (["model", "search"], "model: no such command 'search': expected one of list, add, "),
        (["x" * 5000], "no such command"),
        ([""], "no such command ''"),
        (["model", "lst"], "model: no such command 'lst' (did you mean 'list'?): expected one of list, add, "),
        (["--jsn"], "no such option --jsn"),
        (["scry", "x", "--jsn"], "scry: no such option --jsn (did you mean '--json'?)"),
        (["oxidize", "--dryrun"], "oxidize: no such option --dryrun (did you mean '--dry-run'?)"),
        (["scry"], "scry: missing argument 'QUESTION...'"),
        (["scry", "x", "-k"], "scry: option '-k' requires an argument"),
        (["scry", "x", "-k", "0"], "scry: invalid value for '-k': expected a whole number >= 1, got '0'"),
        (["scry", "x", "-k", "-1"], "expected a whole number >= 1"),
        (["scry", "x", "-k", "ten"], "got 'ten'"),
        (["scry", "x", "-k", "1" * 5000], "expected a whole number >= 1"),
        (["scry", "x", "-k", "\u0663"], "expected a whole number >= 1"),
        (["scry", "x", "--json=yes"], "does not take a value"),
        (["scry", "x", "--projection", "a", "--projection"], "requires an argument"),
        (["ui", "--port", "0"], "ui: invalid value for '--port': expected a whole number from 1 to 65535, got '0'"),
        (["ui", "--port", "65536"], "from 1 to 65535"),
        (["ui", "--project", "no/such"], "no/such: no such folder"),
        (["oxidize", "--only"], "oxidize: option '--only' requires an argument"),
        (["oxidize", "--only", ""], "expected a name, got nothing"),
        (["oxidize", "--only", ", ,"], "expected a name, got nothing"),
        (["oxidize", "--only", "a", "b"], "got unexpected extra argument (b): a list is written as `--only a,b`"),
        (["oxidize", "extra"], "oxidize: got unexpected extra argument (extra)"),
        (["oxidize", "--exit-code"], "oxidize: --exit-code needs --dry-run"),
        (["materialize", "--only", "gti"], "unknown scraper 'gti' (did you mean 'git'?)"),
        (["materialize", "--json", "--oxidize"], "do not go together"),
        (["materialize", "no/such/folder"], "no/such/folder: no such folder"),
        (["materialize", "a", "b"], "got unexpected extra argument (b)"),
        (["export", "temporal"], "export: missing option '--to'"),
        (["model", "add", "x", "--precision", "int4"], "'int4' is not one of 'int8', 'fp32'"),
        (["model", "add"], "model add: missing argument 'NAME'"),
        (["model", "add", "x", "--from", "no/such"], "no/such"),
        (["completion", "tcsh"], "'tcsh' is not one of 'bash', 'zsh', 'fish'"),
        (["init", "no/such"], "no/such: no such folder"),
        (["map", "no-such"], "unknown projection 'no-such'"),
    ],
)
@pytest.mark.usefixtures("project")
def test_wrong_usage_is_one_sentence(words: list[str], expected: str) -> None:
    ran = patina(*words)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("patina: ")
    assert ran.err.count("\n") == 1
    assert expected in ran.err


def test_a_folder_that_is_not_there_is_no_place_in_the_project_above(project: Project) -> None:
    before = project.eventlog().read_bytes()
    assert patina("materialize", "no/such/folder").code == 2
    assert patina("materialize", str(project.recipe)).code == 2
    assert project.eventlog().read_bytes() == before


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((), None),
        (("a",), ("a",)),
        (("a", "b"), ("a", "b")),
        (("a,b",), ("a", "b")),
        ((" a , b,", "c", "a"), ("a", "b", "c")),
    ],
)
def test_a_list_has_one_grammar(values: tuple[str, ...], expected: tuple[str, ...] | None) -> None:
    context = click.Context(click.Command("x"))
    assert names(context, click.Option(["--only"]), values) == expected


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    "only",
    [["--only", "semantic,temporal"], ["--only", "semantic", "--only", "temporal"], ["--only=temporal,semantic"]],
)
def test_both_forms_of_a_list_name_the_same_projections(only: list[str]) -> None:
    ran = patina("oxidize", "--dry-run", "--json", *only)
    stages = json.loads(ran.out)["stages"]
    assert {stage["projection"] for stage in stages} == {"model", "semantic", "temporal", "oxidize_lock"}


def test_whole_numbers_have_bounds() -> None:
    context, option = click.Context(click.Command("x")), click.Option(["-k"])
    assert [whole_number(1)(context, option, text) for text in ("1", "007", "9" * 17)] == [1, 7, int("9" * 17)]
    assert whole_number(1, 3)(context, option, "3") == 3
    assert whole_number(1)(context, option, None) is None
    for text in ("4", "0", "", "+1", "1.0", " 1"):
        with pytest.raises(click.BadParameter):
            whole_number(1, 3)(context, option, text)


def test_a_sentence_without_a_command_names_the_program() -> None:
    assert usage_sentence(click.UsageError("Wrong.")) == "wrong: `patina --help` explains the command"


def test_a_declaration_that_is_no_command_is_noticed() -> None:
    entry = cli.patina.entries["init"]
    group = CommandGroup("x", [type(entry)("init", "", "start", "", "PATH")])
    with pytest.raises(TypeError, match="no command"):
        group.get_command(click.Context(group), "init")


# Dry runs


def test_a_dry_run_says_by_its_exit_code_what_git_diff_would(project: Project) -> None:
    assert patina("oxidize", "--dry-run").code == 0
    assert patina("oxidize", "--dry-run", "--exit-code").code == 1
    document = json.loads(patina("oxidize", "--dry-run", "--json").out)
    assert document["stale"]
    assert document["embedding_model"] == "corpus-static"
    assert document["stages"][0] == {
        "projection": "model", "stage": "corpus-static", "status": "missing", "epochs": 0, "reasons": ["never built"]
    }  # fmt: skip
    assert not project.embeddings_folder("corpus-static").exists()


@pytest.mark.usefixtures("project")
def test_a_dry_run_downloads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a dry run adds no model")

    monkeypatch.setattr("patina_assets.commands.models.project_models.add_model", refuse)
    Path(".patina/oxidize.yaml").write_text(
        Path(".patina/oxidize.yaml").read_text().replace("version: 2", "version: 2\nembedding_model: all-minilm-l6-v2")
    )
    ran = patina("oxidize", "--dry-run", "--yes")
    assert ran.code == 2
    assert "patina model add all-minilm-l6-v2" in ran.err


# Questions


@pytest.mark.usefixtures("project")
def test_a_question_of_many_words_from_stdin_and_with_dashes(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Told:
        def __init__(self, *_: object) -> None: ...

        def answer(self, query: str, *_: object) -> None:
            asked.append(query)
            raise click.exceptions.Exit(0)

    monkeypatch.setattr("patina_assets.commands.scry.Searcher", Told)
    monkeypatch.setattr("sys.stdin", io.StringIO("from stdin\n" + "x" * 300_000))
    for words in (["two", "words"], ["two words"], ["two", "-k", "3", "words"], ["--", "--only", "-k"], ["-"]):
        assert patina("scry", *words).code == 0
    assert asked[:4] == ["two words", "two words", "two words", "--only -k"]
    assert asked[4].startswith("from stdin\n")
    assert len(asked[4]) == 100_000


@pytest.mark.parametrize("stdin", [io.TextIOWrapper(io.BytesIO(b"caf\xe9 "), "utf-8", "strict"), None])
def test_a_question_of_other_bytes_or_without_stdin_is_no_failure(
    stdin: io.TextIOWrapper | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", stdin)
    assert read_standard_input(10) == ("caf\ufffd " if stdin else "")
    assert not somebody_there()


@pytest.mark.usefixtures("project")
def test_a_search_leaves_the_garbage_collector_as_it_was() -> None:
    assert patina("scry", "x").code == 2
    assert gc.isenabled()
    gc.disable()
    try:
        patina("scry", "x")
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_what_is_missing_is_said_once_for_each_reason() -> None:
    assert missing_notes({}) == []
    assert missing_notes({"base": "x is damaged", "temporal": "y", "lexical": "x is damaged"}) == [
        "not searched: base, lexical: x is damaged",
        "not searched: temporal: y",
    ]


# What is loaded


def test_a_command_loads_what_it_needs() -> None:
    script = "import sys; from patina_assets.cli import main; main(['scry', '--help']); print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "patina_assets.command_line.find" in loaded
    assert not {"patina_assets.command_line.build", "numpy", "rich", "yaml", "usearch", "argparse"} & loaded


def test_another_system_is_refused_in_one_sentence_before_anything_of_posix_is_imported() -> None:
    code = (
        "import os, sys\n"
        "for name in ('fcntl', 'grp', 'pwd', 'resource', 'termios'): sys.modules[name] = None\n"
        "from patina_assets import cli\n"
        "os.name = 'nt'\n"
        "sys.exit(cli.main(['scry', 'x']))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"patina: {cli.NOT_SUPPORTED}\n"
    assert cli.is_supported(os.name)


@pytest.mark.parametrize("command", ["scry", "recent"])
def test_a_pattern_that_the_shell_replaced_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    (tmp_path / "src").mkdir()
    for name in ("a b.rs", "c.rs", "d.py"):
        (tmp_path / "src" / name).write_text("")
    monkeypatch.chdir(tmp_path)
    ran = patina(command, "--path", "src/a b.rs", "src/c.rs", "how")
    assert (ran.code, ran.out) == (2, "")
    assert "the shell wrote the names of files (src/a b.rs, src/c.rs) in the place of a pattern" in ran.err
    assert "--path 'src/*.rs'" in ran.err
    assert "--path 'src/*'" in patina(command, "--path", "src/c.rs", "src/d.py").err
    for words in (("src/c.rs", "how"), ("src/c.rs", "elsewhere/x.rs"), ("src/*.rs", "src/c.rs")):
        assert "the shell" not in patina(command, "--path", *words).err


def test_nothing_typed_tells_the_first_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert patina().out.endswith(f"\n{tmp_path} is in no git repository\n")
    (tmp_path / ".git").mkdir()
    assert patina().out.endswith(f"\n{tmp_path} is not set up yet: run `patina init`\n")
    (tmp_path / ".patina").mkdir()
    assert patina().out.endswith(f"\n{tmp_path} is not built yet: run `patina init`\n")
    with monkeypatch.context() as team:
        team.setenv("PATINA_CACHE", f"file://{tmp_path}/cache")
        assert patina().out.endswith(f"\n{tmp_path} is not built yet: run `patina pull`\n")
    (tmp_path / ".patina/data").mkdir()
    (tmp_path / ".patina/data/oxidize.lock").write_text("")
    assert f"\n{tmp_path} is built: ask with `patina scry" in patina().out
