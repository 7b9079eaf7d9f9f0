"""The example packages of docs/plugins, installed in an environment of their own, and what is no plugin."""

import json
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from installations import give_key
from materialize_helpers import GitFolder, live
from root import ROOT
from small_project import make_project

EXAMPLES = ROOT / "docs" / "plugins"
BUILD = 'def build(name):\n    """Declare a target."""\n    native.genrule(name = name)\n'
RECIPE = """version: 2
projections:
  days:
    layers: [16, 8]
    training: {source: git.commits, pair_type: same_day, epochs: 1, pairs: 100}
"""


@dataclass(frozen=True)
class Environment:
    """A virtual environment that has what this one has, and room for plugins."""

    folder: Path

    @property
    def packages(self) -> Path:
        return next((self.folder / "lib").glob("python*")) / "site-packages"

    def install(self, name: str, module: str, entry_points: str, version: str = "1.0") -> None:
        """Install a module as pip does: the files of a wheel, and what it says of itself."""
        self.uninstall(name)
        about = self.packages / f"{name.replace('-', '_')}-{version}.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (about / "entry_points.txt").write_text(entry_points)
        (self.packages / f"{name.replace('-', '_')}.py").write_text(module)

    def install_example(self, name: str, version: str = "1.0") -> None:
        """Install an example package."""
        project = tomllib.loads((EXAMPLES / name / "pyproject.toml").read_text())["project"]
        groups = (
            f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in entries.items())
            for group, entries in project["entry-points"].items()
        )
        module = (EXAMPLES / name / f"{name.replace('-', '_')}.py").read_text()
        self.install(project["name"], module, "".join(groups), version)

    def uninstall(self, name: str) -> None:
        """Remove a package."""
        for path in self.packages.glob(f"{name.replace('-', '_')}-*.dist-info"):
            shutil.rmtree(path)

    def patina(self, folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command in a folder; as a careless user does, with the folder on Python's path."""
        python = self.folder / "bin" / "python"
        return subprocess.run(
            [python, "-m", "patina_assets.cli", *arguments], cwd=folder, capture_output=True, text=True, check=False
        )

    def findings(self, folder: Path) -> tuple[dict[str, str], str]:
        """Return the versions that `doctor` names, and what it finds."""
        found = json.loads(self.patina(folder, "doctor", "--json").stdout)
        return found["versions"], json.dumps(found["findings"])


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    folder = tmp_path_factory.mktemp("plugins") / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", "--symlinks", str(folder)], check=True)
    made = Environment(folder)
    places = [str(ROOT), *(place for place in sys.path if place.endswith("-packages") or "/tmp/" in place)]
    (made.packages / "around.pth").write_text("".join(f"{place}\n" for place in places))
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONPATH", raising=False)
        patch.delenv("PYTHONSAFEPATH", raising=False)
        patch.setenv("PATINA_HOME", str(give_key(folder.parent / "home")))
        yield made


def test_a_language_of_a_plugin_is_read_and_again_after_an_update(environment: Environment, tmp_path: Path) -> None:
    repository = GitFolder(tmp_path / "repository")
    repository.write("rules/build.bzl", BUILD)
    repository.write(".patina/config.toml", "")
    repository.commit("Begin")

    def read() -> str:
        done = environment.patina(repository.path, "materialize", "--only", "code")
        assert done.returncode == 0, done.stderr
        return done.stdout

    read()
    assert live(repository.eventlog, "code.function") == []
    environment.install_example("patina-starlark")
    read()
    (function,) = live(repository.eventlog, "code.function")
    assert function["data"]["name"] == "build"
    assert [call["data"]["callee"] for call in live(repository.eventlog, "code.call")] == ["native.genrule"]
    before = digest_of(repository)
    read()
    assert digest_of(repository) == before
    environment.install_example("patina-starlark", version="1.1")
    read()
    assert "patina-starlark 1.1" in digest_of(repository)
    environment.uninstall("patina-starlark")
    read()
    assert live(repository.eventlog, "code.function") == []


def digest_of(repository: GitFolder) -> str:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(repository.eventlog)) as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = [
            row for table in tables for row in connection.execute(f'SELECT * FROM "{table}"') if table != "eventlog"
        ]
    return str([row for row in rows if "build.bzl" in str(row) and ":" in str(row)])


def test_a_pair_type_of_a_plugin_is_a_choice_of_the_recipe(environment: Environment, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", RECIPE)
    refused = environment.patina(project.root, "oxidize", "--dry-run")
    assert refused.returncode == 2
    assert "same_day" in refused.stderr
    environment.install_example("patina-same-day")
    planned = environment.patina(project.root, "oxidize", "--dry-run")
    assert "days/pairs" in planned.stdout, planned.stderr
    versions, _ = environment.findings(project.root)
    assert versions["plugin same_day"] == "patina-same-day 1.0"
    environment.uninstall("patina-same-day")


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("raise RuntimeError('no such grammar')", "RuntimeError: no such grammar"),
        ("import nothing_like_it", "ModuleNotFoundError"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("THING = 1", "expected a PairType, got int"),
        ("from patina_assets.pairs.types.co_changed import CO_CHANGED as THING", "a pair type co_changed already"),
    ],
)
def test_a_broken_plugin_is_one_sentence(environment: Environment, tmp_path: Path, module: str, words: str) -> None:
    environment.install("patina-broken", module, "[patina.pair_types]\nthing = patina_broken:THING\n")
    (tmp_path / ".patina").mkdir()
    _, found = environment.findings(tmp_path)
    environment.uninstall("patina-broken")
    assert "the plugin thing of patina-broken 1.0 is left out" in found
    assert words in found
    assert "pip uninstall patina-broken" in found


def test_damaged_files_of_a_package_stop_no_command(environment: Environment, tmp_path: Path) -> None:
    environment.install("patina-damaged", "", "[patina.languages]\nno entry\n")
    environment.install("unrelated", "", "[console_scripts]\nno entry\n")
    (tmp_path / ".patina").mkdir()
    _, found = environment.findings(tmp_path)
    for name in ("patina-damaged", "unrelated"):
        environment.uninstall(name)
    assert "of patina-damaged 1.0 is left out" in found
    assert "unrelated" not in found


def test_a_repository_holds_no_plugin(environment: Environment, tmp_path: Path) -> None:
    evidence = tmp_path / "evidence"
    (tmp_path / ".patina").mkdir()
    (tmp_path / "evil.py").write_text(f"open({str(evidence)!r}, 'w').close()\n")
    for name in ("evil-1.0.dist-info", "evil.egg-info"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "METADATA").write_text("Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n")
        (tmp_path / name / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n")
        (tmp_path / name / "entry_points.txt").write_text(
            "[patina.pair_types]\nevil = evil:X\n[patina.languages]\nevil = evil:X\n"
        )
    versions, found = environment.findings(tmp_path)
    assert "evil" not in json.dumps(versions) + found
    assert not evidence.exists()
