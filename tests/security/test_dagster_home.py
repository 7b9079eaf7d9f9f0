"""A cloned repository brings settings, modules and environments for Dagster and Python: none of it is used.

Its traps leave a file with their name in a folder when they go off.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest
from materialize_helpers import GitFolder
from small_project import RECIPE, make_project, patina
from story_project import make_story
from ui_server import ROOT, NotServedError, Ui, free_port, serving

from patina_assets.orchestration.instance import prepare_home, prepare_workspace
from patina_resources.project.project import Project, find_project
from patina_resources.store.child_environment import child_environment
from patina_resources.store.mothership import mothership

MODULES = (
    "yaml", "json", "sitecustomize", "usercustomize", "dagster", "patina_assets", "patina_resources", "numpy", "dotenv",
    "evil_definitions", "workspace",
)  # fmt: skip
PROGRAMS = ("git", "python", "python3", "dagster", "ls", "uname")
ENV = "PYTHONPATH=.:/proc/self/cwd:/proc/self/cwd/..\nLD_PRELOAD=./trap.so\nDAGSTER_HOME=.\n"
HANDLER = """python_logs:
  dagster_handler_config:
    handlers:
      trap: {{"()": subprocess.check_call, args: [touch, {trap}]}}
"""
LAUNCHER = "run_launcher: {{module: evil_definitions, class: Launcher}}\n"
STORAGE = "storage: {{custom: {{module: evil_definitions, class: Storage}}}}\n"
HOMES = {"handler": HANDLER, "launcher": LAUNCHER, "storage": STORAGE}


@dataclass
class Traps:
    """Where the traps write."""

    folder: Path

    def module(self, place: str, name: str) -> str:
        """Return Python code that goes off when it is imported."""
        return f"open({str(self.folder / f'{place}-{name}.py')!r}, 'w').close()\n"

    def program(self, name: str) -> str:
        """Return a program that goes off when it is run."""
        return f"#!/bin/sh\n: > '{self.folder / name}'\n"

    def sprung(self) -> list[str]:
        """Return the names of those that went off."""
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture
def traps(tmp_path: Path) -> Traps:
    """Return traps that have not gone off."""
    (tmp_path / "sprung").mkdir()
    return Traps(tmp_path / "sprung")


def lay(folder: GitFolder, traps: Traps, place: str) -> None:
    """Put traps into a folder of a repository ("." for its root)."""
    for name in MODULES:
        folder.write(f"{place}/{name}.py", traps.module(place.replace("/", "-"), name))
    for name in PROGRAMS:
        folder.write(f"{place}/{name}", traps.program(name)).chmod(0o755)
    folder.write(f"{place}/.env", ENV)
    folder.write(f"{place}/pyproject.toml", '[tool.dagster]\nmodule_name = "evil_definitions"\n[tool.dg]\n')
    folder.write(f"{place}/dg.toml", '[project]\nroot_module = "evil_definitions"\n')
    folder.write(f"{place}/workspace.yaml", "load_from:\n  - python_file: evil_definitions.py\n")
    folder.write(f"{place}/dagster.yaml", HANDLER.format(trap=traps.folder / "handler"))


def published(place: Path, traps: Traps, home: str | None) -> Path:
    """Return a repository with traps in its root and, where `home` is given, in the Dagster home of older versions."""
    made = make_story(place)
    made.write(".patina/oxidize.yaml", RECIPE)
    made.write(".patina/config.toml", "[automation]\ninterval_seconds = 2\nsettle_seconds = 1\n")
    lay(made, traps, ".")
    if home is not None:
        for folder in (".patina/data/dagster_home", ".patina", ".patina/data"):
            lay(made, traps, folder)
        settings = home.format(trap=traps.folder / "home-handler")
        made.write(".patina/data/dagster_home/dagster.yaml", settings)
        made.write(".patina/dagster_home/dagster.yaml", settings)
    made.git("add", "-A", "--force", ".")
    made.git("commit", "-q", "-m", "feat: traps")
    return made.path


def cloned(source: Path, target: Path) -> Path:
    """Return a fresh clone."""
    subprocess.run(["git", "clone", "-q", str(source), str(target)], check=True)
    return target


def command(*arguments: str) -> list[str]:
    """Return a call of `patina` that, like the installed script, does not search the working folder itself."""
    return [sys.executable, "-P", "-m", "patina_assets.cli", *arguments]


def environment() -> dict[str, str]:
    """Return an environment that would find programs in the working folder."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f".:{os.environ['PATH']}:"}


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of ours in a folder."""
    return subprocess.run(
        command(*arguments), cwd=folder, env=environment(), capture_output=True, text=True, timeout=400, check=False
    )


def serve_for_a_while(folder: Path, log: Path) -> bool:
    """Run `patina ui` in a folder until it has built or ends; return whether it served."""

    def ui(port: int) -> Sequence[str]:
        return command("ui", "--port", str(port))

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f".:{os.environ['PATH']}:")
        try:
            with serving(ui, log, folder, {}) as running:
                running.wait_for(lambda: running.runs() and running.at_rest(), "the first build")
                assert set(running.badges().values()) == {"FRESH"}
        except NotServedError:
            return False
    return True


def test_the_traps_go_off(tmp_path: Path, traps: Traps) -> None:
    source = published(tmp_path / "source", traps, HANDLER)
    subprocess.run([sys.executable, "-c", "import yaml, dagster"], cwd=source, check=True)
    subprocess.run(["git", "status"], cwd=source, env={**os.environ, "PATH": "."}, check=True)
    with dg.DagsterInstance.from_config(str(source / ".patina/data/dagster_home")) as instance, suppress(Exception):
        instance.get_handlers()
    assert traps.sprung() == [".-dagster.py", ".-yaml.py", "git", "home-handler"]


@pytest.mark.parametrize("home", ["handler", "launcher", "storage"])
def test_a_committed_dagster_home_is_not_used(tmp_path: Path, traps: Traps, home: str) -> None:
    clone = cloned(published(tmp_path / "source", traps, HOMES[home]), tmp_path / "clone")
    assert (clone / ".patina/data/dagster_home/dagster.yaml").is_file()
    commands = (("materialize",), ("oxidize",), ("oxidize", "--full"), ("materialize", "--oxidize"))
    said = [run(clone, *arguments).stderr for arguments in commands]
    serve_for_a_while(clone, tmp_path / "ui.log")
    assert traps.sprung() == []
    assert [text for text in said if "Traceback" in text] == []


def test_files_for_dagster_and_python_in_the_repository_are_not_used(tmp_path: Path, traps: Traps) -> None:
    clone = cloned(published(tmp_path / "source", traps, None), tmp_path / "clone")
    for arguments in (("materialize",), ("oxidize",)):
        done = run(clone, *arguments)
        assert done.returncode == 0, done.stderr
    (clone / ".patina" / "oxidize.yaml").write_text(RECIPE.replace("epochs: 2", "epochs: 1"))
    assert serve_for_a_while(clone, tmp_path / "ui.log")
    assert traps.sprung() == []


def test_processes_of_the_web_ui_work_outside_of_the_repository(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    with serving(lambda port: command("ui", "--port", str(port)), tmp_path / "ui.log", project.root, {}) as ui:
        # Git is asked in the repository, and ends. What will be git works there for a moment, too.
        found = ui.wait_for(lambda: outside_of(project.root, ui), "processes that work elsewhere")
    assert ui.process.pid in found
    children = [variables for number, (_, variables) in found.items() if number != ui.process.pid]
    assert children
    assert {variables["PYTHONSAFEPATH"] for variables in children} == {"1"}
    assert {variables["DAGSTER_HOME"] for variables in children} == {str(project.dagster_home)}
    assert [names for names, _ in found.values() if any(name == ".env" or name.endswith(".py") for name in names)] == []


def outside_of(root: Path, ui: Ui) -> dict[int, tuple[list[str], Mapping[str, str]]]:
    """Return what is in the folder of each process, and its variables; nothing while one works below `root`."""
    found = {}
    for number in ui.processes():
        process = Path(f"/proc/{number}")
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended
            folder = (process / "cwd").readlink()
            if folder.is_relative_to(root):
                return {}
            pairs = (process / "environ").read_bytes().decode().split("\0")
            names = [path.name for path in folder.iterdir()]
            found[number] = names, dict(pair.split("=", 1) for pair in pairs if "=" in pair)
    return found


def test_children_search_no_relative_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", ":.:/usr/bin:bin:")
    monkeypatch.setenv("PYTHONPATH", "src::/opt/lib:./x")
    found = child_environment()
    assert (found["PATH"], found["PYTHONPATH"], found["PYTHONSAFEPATH"]) == ("/usr/bin", "/opt/lib", "1")
    monkeypatch.delenv("PYTHONPATH")
    monkeypatch.delenv("PATH")
    assert "PYTHONPATH" not in child_environment()
    assert all(Path(entry).is_absolute() for entry in child_environment()["PATH"].split(":"))


# The home of ours


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a project, and stand in it."""
    made = make_project(tmp_path / "project")
    monkeypatch.chdir(made.root)
    return made


@pytest.fixture
def wide_umask() -> Iterator[None]:
    """Let everybody read and write what is made without care."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("wide_umask")
def test_the_home_is_private(project: Project) -> None:
    home = prepare_home(project)
    assert home.parents[2] == mothership().own
    assert home.stat().st_mode & 0o777 == 0o700
    assert project.root not in home.parents
    other = make_project(project.root.parent / "other")
    shared = prepare_workspace([project, other])
    shared.chmod(0o755)  # as older versions left it
    assert prepare_workspace([project, other]).stat().st_mode & 0o777 == 0o700


def test_the_older_home_is_told_of_once(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    project.older_dagster_home.mkdir(parents=True)
    (project.older_dagster_home / "dagster.yaml").write_text("[")
    prepare_home(project)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(f"Delete it with: rm -r {project.older_dagster_home}")
    assert str(project.dagster_home) in line
    prepare_home(project)
    assert capsys.readouterr().err == ""


def test_a_project_without_an_older_home_is_told_nothing(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    prepare_home(project)
    assert capsys.readouterr().err == ""


BROKEN = {
    "syntax": b"a: [",
    "tab": b"\tx",
    "unknown key": b"telemtry: {enabled: false}\n",
    "wrong type": b"telemetry: 3\n",
    "a list": b"- a\n",
    "a word": b"hello\n",
    "no text": b"\xff\xfe\x00",
    "deep": b"[" * 5000,
    "python": b'!!python/object/apply:os.system ["touch /tmp/never"]\n',
    "no module": b"run_launcher: {module: no_such_module, class: X}\n",
    "no class": b"run_coordinator: {module: json, class: X}\n",
    "another class": b"event_log_storage: {module: json, class: JSONDecoder}\n",
    "no variable": b"storage: {sqlite: {base_dir: {env: NO_SUCH_VARIABLE}}}\n",
    "no folder": b"storage: {sqlite: {base_dir: /proc/none}}\n",
    "no handler": b"python_logs: {dagster_handler_config: {handlers: {x: {class: no.such.Handler}}}}\n",
}


def refusal_of(project: Project, *arguments: str) -> str:
    """Return the one line with which a command refuses."""
    done = run(project.root, *arguments)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    *before, line = done.stderr.splitlines()
    assert line.startswith("patina: ")
    # What is stale is told before Dagster is opened.
    assert [other for other in before if not other.startswith("built for the first time: ")] == []
    return line.removeprefix("patina: ")


@pytest.mark.parametrize("name", BROKEN)
def test_broken_settings_are_one_sentence(project: Project, name: str) -> None:
    (prepare_home(project) / "dagster.yaml").write_bytes(BROKEN[name])
    ran = patina("oxidize")
    assert ran.code == 2
    sentence = ran.err.splitlines()[-1]
    assert sentence.startswith(f"patina: {project.dagster_home}")
    assert "Traceback" not in ran.err
    assert len(sentence) < 800


@pytest.mark.parametrize("name", ["syntax", "unknown key", "no module", "no handler"])
def test_broken_settings_are_one_sentence_of_the_web_ui(project: Project, name: str) -> None:
    (prepare_home(project) / "dagster.yaml").write_bytes(BROKEN[name])
    assert refusal_of(project, "ui", "--port", str(free_port())).startswith(str(project.dagster_home))


@pytest.mark.parametrize("what", ["file", "link", "broken link", "database", "index", "folder"])
def test_a_broken_home_is_one_sentence(project: Project, tmp_path: Path, what: str) -> None:
    home = project.dagster_home
    if what in ("file", "link", "broken link"):
        home.parent.mkdir(parents=True)
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "elsewhere" / "dagster.yaml").write_text("{}\n")
    if what == "file":
        home.write_text("x")
    elif what == "link":
        home.symlink_to(tmp_path / "elsewhere")
    elif what == "broken link":
        home.symlink_to(tmp_path / "nowhere")
    elif what == "folder":
        (prepare_home(project) / "history").write_text("x")
    else:
        with dg.DagsterInstance.from_config(str(prepare_home(project))) as instance:
            instance.get_runs()
            instance.has_asset_key(dg.AssetKey("x"))
        for database in home.rglob("index.db" if what == "index" else "runs.db"):
            database.write_bytes(b"no database" * 1000)
    for arguments in (("oxidize",), ("ui", "--port", str(free_port()))):
        assert str(home) in refusal_of(project, *arguments)
    if what == "link":
        assert list((tmp_path / "elsewhere").iterdir()) == [tmp_path / "elsewhere/dagster.yaml"]


@pytest.mark.usefixtures("project")
def test_a_named_home_of_the_user_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "dagster.yaml").write_text("[")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "other"))
    assert patina("oxidize", "--only", "temporal").code == 0
    assert list((tmp_path / "other").iterdir()) == [tmp_path / "other" / "dagster.yaml"]


def test_a_path_in_any_letters_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project(tmp_path / "\U0001f600 'a\" \\ {x}")
    home = prepare_workspace([project])
    (module,) = (home / "locations").glob("*.py")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(compile(module.read_text(), str(module), "exec"), names)
    defs = names["defs"]
    assert isinstance(defs, dg.Definitions)
    assert len(list(defs.get_repository_def().get_all_jobs())) > 3
    assert find_project(project.root).dagster_home == home
