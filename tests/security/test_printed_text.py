"""Text of a repository on a terminal, in a pipe, in a log: never obeyed, and never another text than there is."""

import io
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from clones import ROOT, Attacker, Clone
from webhook import running_webhook

from patina_assets.orchestration.automation import failures
from patina_assets.pairs.items import Item
from patina_assets.pipeline.plain_text import (
    GuardedStream,
    guarded_console,
    guarded_output,
    harmless,
    json_text,
    one_line,
    print_styled,
)
from patina_assets.search.fusion import Hit, Place
from patina_assets.terminal.bars import draw_table
from patina_assets.terminal.hits import hit_lines
from patina_resources.project.config import ProjectConfig
from patina_resources.project.project import Project
from patina_resources.project.user_settings import ProjectPlaces

C0 = [chr(code) for code in range(32) if chr(code) not in "\t\n"]
C1 = [chr(code) for code in range(0x7F, 0xA0)]
DIRECTION = list("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
SEPARATORS = ["\u2028", "\u2029"]
OBEYED = [*C0, *C1, *DIRECTION, *SEPARATORS]
# What a terminal is told by them: colours, titles, the cursor, the clipboard; and a line that reads as another.
# What we tell a terminal ourselves: styles, and the cursor of a bar.
OURS = re.compile(r"\x1b\[(?:[0-9;]*m|[0-9]*[AK]|2K|\?25[lh])")
EVIL = "x\x1b[31m\x1b]0;title\x07\x1b]52;c;ZXZpbA==\x07\x9b2J\x7f\u202egnp.exe\u2066\u200f\u061c\u2028y\u2029\x85\x08z"


def raw(data: bytes) -> set[str]:
    """Return what is in some output that must not be."""
    return {sign for sign in data.decode("utf-8", "surrogateescape") if sign in OBEYED or "\ud800" <= sign <= "\udfff"}


@pytest.mark.parametrize("sign", [*OBEYED, chr(0xD800), chr(0xDCFF)])
def test_each_sign_is_made_harmless_by_each_way_of_printing(sign: str) -> None:
    text = f"a{sign}b"
    for printed in (harmless(text), one_line(text), json_text({"text": text, text: [text]})):
        assert sign not in printed
    assert json.loads(json_text({"text": text, text: [text]})) == {"text": text, text: [text]}
    stream = io.StringIO()
    GuardedStream(stream).write(text)
    assert sign not in stream.getvalue()
    for coloured in (True, False):
        styled = io.StringIO()
        print_styled(GuardedStream(styled), [[(text, "place"), (text, "plain")]], coloured=coloured)
        assert sign not in OURS.sub("", styled.getvalue())


@pytest.mark.parametrize("sign", [*OBEYED, chr(0xDCFF)])
def test_each_sign_is_made_harmless_by_what_rich_draws(sign: str) -> None:
    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    console = guarded_console(terminal)
    console.print(f"a{sign}b")
    draw_table(terminal, [f"h{sign}"], [[f"c{sign}"]])
    assert sign not in OURS.sub("", terminal.getvalue())


def test_markup_of_a_repository_is_text() -> None:
    terminal = io.StringIO()
    draw_table(terminal, ["[red]head"], [["[bold]x[/bold] :smile: [link=file:///etc/passwd]y[/link]"]])
    assert "[red]head" in terminal.getvalue()
    assert "[bold]x[/bold] :smile: [link=file:///etc/passwd]y[/link]" in terminal.getvalue()


def test_a_hit_is_coloured_and_obeys_nothing() -> None:
    hit = Hit(Item("commit", f"text {EVIL}", file=f"a\n{EVIL}"), 0.5, {"base": Place(1, 0.5)})
    shown = io.StringIO()
    print_styled(shown, hit_lines(1, hit), coloured=True)
    assert "\x1b[36mcommit\x1b[0m" in shown.getvalue()
    assert "\x1b[31m" not in shown.getvalue()
    assert raw(OURS.sub("", shown.getvalue()).encode()) == set()
    assert shown.getvalue().count("\n") == 3


def test_what_is_harmless_stays_as_it_is() -> None:
    text = "tab\tline\r\nline\n日本語 عربي עברית é 👩\u200d💻"
    assert harmless(text) == text
    assert json_text(text) == json.dumps(text, ensure_ascii=False)


def test_a_carriage_return_alone_goes_back_over_nothing() -> None:
    assert harmless("all is well\rpatina: refused\r\n") == "all is well\ufffdpatina: refused\r\n"
    assert one_line("a\nb\r\u2028c\x1b") == r"a\nb\r\u2028c\x1b"


def test_nothing_is_printed_past_the_guard() -> None:
    """Held by reading the source: a stream is written to by `print` or by the guard, and replaced by the guard only."""
    for path in sorted((ROOT / "patina_assets").rglob("*.py")) + sorted((ROOT / "patina_resources").rglob("*.py")):
        source = path.read_text()
        # entry.py writes one constant sentence, out of a signal handler.
        if path.name not in {"plain_text.py", "entry.py"}:
            assert not re.search(r"sys\.__std|sys\.std(out|err)\.(write|buffer)|os\.write\([12],|\\x1b\[", source), path


# From a clone, through the real command


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """Return a clone with such signs in everything that a repository can name, materialized and built."""
    folder = tmp_path_factory.mktemp("printed")
    attacker = Attacker(folder / "attacker")
    notes = "".join(f"- parser decision number {number} of the lexer {EVIL}\n" for number in range(6))
    for session in range(4):
        title = f"# Session: {EVIL}\n\n**Key Decisions:**\n{notes.replace('number', f'number {session}')}"
        attacker.write(f"layer/sessions/{session}{EVIL}.md", title)
    for number in range(8):
        attacker.write(f"src{EVIL}/m{number}{EVIL}.py", f"def f{number}():\n    return g()\n")
        attacker.commit(f"parser commit {number} {EVIL}")
    attacker.write(f"vendor/{EVIL}.py", "x = 1\n")
    attacker.write(f"big{EVIL}.py", "x" * 1_100_000)
    attacker.write(f"min{EVIL}.py", "x" * 10_000)
    attacker.write(
        ".patina/oxidize.yaml",
        "version: 2\nprojections:\n  semantic:\n    layers: [16, 8]\n    training: {source: sessions.observations, "
        "pair_type: same_session, epochs: 1, pairs: 50, batch_size: 16}\n",
    )
    made = attacker.publish(folder / f"victim{EVIL.replace('/', '')}")
    said = made.patina("materialize")
    assert said.code == 0, said.err
    assert b"skipped" in said.out
    assert raw(said.out + said.err) == set()
    return made


def test_a_build_and_searches_print_nothing_raw(clone: Clone) -> None:
    built = clone.patina("oxidize")
    assert built.code == 0, built.err
    found = clone.patina("scry", "parser decision of the lexer")
    assert b"parser decision" in found.out
    for said in (
        built,
        found,
        clone.patina("scry", "parser decision", "--explain"),
        clone.patina("oxidize", "--dry-run"),
        clone.patina("like", "f1"),
        clone.patina("like", "HEAD", "--json"),
        clone.patina("like", f"no {EVIL}"),
        clone.patina("recent"),
        clone.patina("why", f"src{EVIL}/m1{EVIL}.py:1"),
        clone.patina("why", f"m1{EVIL}.py", "--json"),
    ):
        assert raw(said.out + said.err) == set()
    document = clone.patina("scry", "parser decision of the lexer", "--json")
    assert raw(document.out) == set()
    assert any(EVIL.strip() in hit["text"] for hit in json.loads(document.out))
    for command in (["evaluate", "--json"], ["model", "list", "--json"], ["evaluate"], ["model", "status"]):
        said = clone.patina(*command)
        assert raw(said.out + said.err) == set(), command
    mapped = clone.patina("map", "semantic", "--out", "page.html")
    page = (clone.path / "page.html").read_bytes()
    assert mapped.code == 0, mapped.err
    assert raw(mapped.out + mapped.err + page) == set()
    assert b"<script>" in page
    assert page.count(b"</script>") == 1


@pytest.mark.parametrize(
    ("file", "content"),
    [
        (".patina/config.toml", f'[project]\n"{EVIL.encode("unicode_escape").decode()}" = 1\n'),
        (".patina/config.toml", '[eventlog]\npath = "\\u001b]0;x\\u0007\\u009b2J\\u202e.db"\n'),
        (".patina/config.toml", '[sessions]\nglobs = ["../\\u001b]0;x\\u0007\\u202e"]\n'),
        (".patina/config.toml", "x = \x9b\u202e\n"),
        (".patina/oxidize.yaml", 'version: 2\n"\\e]0;x\\a\\u202e": 1\n'),
        (".patina/oxidize.yaml", "version: 2\nprojections:\n  \u202esemantic: {}\n"),
    ],
)
def test_errors_of_a_committed_file_are_one_plain_line(tmp_path: Path, file: str, content: str) -> None:
    attacker = Attacker(tmp_path / "attacker")
    attacker.write(".patina/oxidize.yaml", "version: 2\nprojections: []\n")
    attacker.write(file, content)
    clone = attacker.publish(tmp_path / "victim")
    for command in (["materialize"], ["oxidize"], ["scry", "x"]):
        said = clone.patina(*command)
        assert raw(said.out + said.err) == set()
        assert said.err.count(b"\n") <= 1


def test_a_folder_whose_name_is_many_lines_is_named_in_one(tmp_path: Path) -> None:
    folder = tmp_path / "a\npatina: all is well\x1b[2J"
    folder.mkdir()
    said = Clone(folder, tmp_path / "home").patina("materialize")
    assert said.sentence.count("patina: ") == 2
    assert raw(said.err) == set()


def test_a_traceback_is_guarded_too(tmp_path: Path) -> None:
    folder = tmp_path / "x\x9b2J\u202e"
    folder.mkdir()
    said = Clone(folder, tmp_path / "home").patina("--debug", "scry", "x")
    assert b"Traceback" in said.err
    assert raw(said.err) == set()


def test_a_terminal_gets_nothing_raw_but_the_bar(clone: Clone) -> None:
    """On a real terminal, where progress is drawn over itself."""
    (clone.path / ".patina" / "data" / "patina.db").unlink()
    main, other = pty.openpty()
    command = [sys.executable, "-m", "patina_assets.cli", "materialize"]
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    environment |= {"PYTHONPATH": str(ROOT), "PATINA_HOME": str(clone.home), "TERM": "xterm"}
    with subprocess.Popen(command, cwd=clone.path, env=environment, stdout=other, stderr=other) as process:
        os.close(other)
        seen = b""
        try:
            while block := os.read(main, 65536):
                seen += block
        except OSError:  # the other side is closed
            pass
        assert process.wait() == 0
    os.close(main)
    assert b"skipped" in seen
    assert b"\x1b[31m" not in seen
    assert raw(OURS.sub("", seen.decode()).replace("\r", "").encode()) == set()


def test_a_failure_is_logged_and_told_on_one_plain_line(tmp_path: Path) -> None:
    class Run:
        run_id, job_name = "0123456789", "oxidize"

    with running_webhook() as hook:
        root = tmp_path / EVIL.replace("/", "")
        project = Project(root, ProjectConfig(), ProjectPlaces(data=tmp_path, webhook=hook.url))
        failures._tell(project, Run(), f"a\n{EVIL}")
    line = project.failures_log.read_bytes()
    assert line.count(b"\n") == 1
    assert raw(line) == set()
    assert raw("".join(hook.received[0].values()).encode()) == set()


def test_the_guard_is_put_up_once_and_taken_away_again() -> None:
    before = sys.stdout, sys.stderr
    with guarded_output():
        once = sys.stdout, sys.stderr
        with guarded_output():
            assert (sys.stdout, sys.stderr) == once
        assert (sys.stdout, sys.stderr) == once != before
    assert (sys.stdout, sys.stderr) == before


def test_the_guard_stays_for_the_traceback_of_an_error() -> None:
    script = (
        "from patina_assets.pipeline.plain_text import guarded_output\n"
        "with guarded_output():\n    raise ValueError('x' + chr(0x9b) + chr(0x202e))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=False)
    assert b"ValueError: x" in done.stderr
    assert raw(done.stderr) == set()
