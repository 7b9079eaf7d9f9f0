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
# So that this file itself has none.
MARK = "TO" + "DO"
BASE_ALONE = "version: 2\nprojections: {}\n"
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
        module = EXAMPLES / name / f"{name.replace('-', '_')}.py"
        self.install(project["name"], module.read_text() if module.exists() else "", "".join(groups), version)
        package = module.with_suffix("")
        if package.is_dir():
            (self.packages / module.name).unlink()
            shutil.copytree(package, self.packages / package.name, dirs_exist_ok=True)

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


def test_a_search_can_be_limited_to_the_language_of_a_plugin(environment: Environment, tmp_path: Path) -> None:
    repository = GitFolder(tmp_path / "repository")
    repository.write("rules/build.bzl", BUILD)
    repository.write("rules/build.py", BUILD)
    repository.write(".patina/oxidize.yaml", BASE_ALONE)
    repository.commit("Begin")
    limited = ("scry", "declare a target", "--language", "starlark", "--json")
    environment.install_example("patina-starlark")
    done = environment.patina(repository.path, "materialize", "--oxidize")
    assert done.returncode == 0, done.stderr
    found = environment.patina(repository.path, *limited)
    assert {hit["file"] for hit in json.loads(found.stdout)} == {"rules/build.bzl"}
    environment.uninstall("patina-starlark")
    refused = environment.patina(repository.path, *limited)
    assert refused.returncode == 2
    assert "--language: 'starlark'" in refused.stderr


def test_an_item_source_of_a_plugin_is_searched_and_gone_after_it(environment: Environment, tmp_path: Path) -> None:
    repository = GitFolder(tmp_path / "repository")
    repository.write("src/wires.py", f"def pull(rope):\n    return rope  # {MARK}: knot the rope twice\n")
    repository.write(".patina/oxidize.yaml", BASE_ALONE)
    repository.commit("Begin")

    def kinds() -> dict[str, str]:
        done = environment.patina(repository.path, "materialize", "--oxidize")
        assert done.returncode == 0, done.stderr
        found = environment.patina(repository.path, "scry", "knot the rope twice", "--json")
        return {hit["kind"]: f"{hit['file']}:{hit['line']}" for hit in json.loads(found.stdout)}

    assert "todo" not in kinds()
    environment.install_example("patina-todos")
    assert kinds()["todo"] == "src/wires.py:2"
    planned = environment.patina(repository.path, "oxidize", "--dry-run")
    assert "stale" not in planned.stdout
    environment.install_example("patina-todos", version="1.1")
    planned = environment.patina(repository.path, "oxidize", "--dry-run")
    assert "patina-todos 1.0" in planned.stdout
    environment.uninstall("patina-todos")
    assert "todo" not in kinds()


def test_a_model_of_a_plugin_is_used_and_its_bytes_are_checked(environment: Environment, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", f"{BASE_ALONE}embedding_model: letters\n")
    refused = environment.patina(project.root, "oxidize")
    assert (refused.returncode, "unknown model 'letters'" in refused.stderr) == (2, True)
    environment.install_example("patina-letters")
    model = environment.packages / "patina_letters" / "model.onnx"
    content = model.read_bytes()
    model.write_bytes(content[:2000] + bytes([content[2000] ^ 1]) + content[2001:])
    damaged = environment.patina(project.root, "model", "add", "letters")
    assert (damaged.returncode, "install the package patina-letters 1.0 again" in damaged.stderr) == (2, True)
    model.write_bytes(content)
    built = environment.patina(project.root, "oxidize")
    assert built.returncode == 0, built.stderr
    rows = {row["name"]: row for row in json.loads(environment.patina(project.root, "model", "list", "--json").stdout)}
    assert rows["letters"]["state"] == "ready"
    assert rows["letters"]["pin"] == "pinned"
    assert rows["letters"]["origin"] == "comes with patina-letters 1.0: letters/model.onnx"
    assert json.loads(environment.patina(project.root, "scry", "parse a token", "--json").stdout)
    environment.uninstall("patina-letters")


@pytest.mark.parametrize(
    ("group", "module", "words"),
    [
        ("models", "THING = 1", "expected a RegistryEntry, got int"),
        (
            "models",
            "from patina_resources.models.registry import *\n"
            "THING = RegistryEntry(ModelSpec('all-minilm-16-v2', 2, 2, 'mean'), hub=HubSource('a/b'))",
            "reads like all-minilm-l6-v2 of the shipped registry",
        ),
        (
            "models",
            "from patina_resources.models.registry import *\nTHING = RegistryEntry(ModelSpec('plain', 2, 2, 'mean'))",
            "names neither a hub repository, nor a folder",
        ),
        ("item_sources", "THING = 1", "expected an ItemSource, got int"),
        (
            "item_sources",
            "from patina_assets.passages.item_source import ItemSource\n"
            "from patina_resources.eventlog.reader import Source\n"
            "THING = ItemSource('x', 'x', (Source('git.log', 'SELECT 1'),), lambda rows, texts: (), 1)",
            "there is another source git.log already",
        ),
    ],
)
def test_what_a_plugin_cannot_replace_or_is_none_is_left_out(
    environment: Environment, tmp_path: Path, group: str, module: str, words: str
) -> None:
    environment.install("patina-broken", module, f"[patina.{group}]\nthing = patina_broken:THING\n")
    (tmp_path / ".patina").mkdir()
    _, found = environment.findings(tmp_path)
    environment.uninstall("patina-broken")
    assert "the plugin thing of patina-broken 1.0 is left out" in found
    assert words in found


def test_an_item_source_that_fails_is_named_and_what_was_built_stays(environment: Environment, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", BASE_ALONE)
    assert environment.patina(project.root, "oxidize").returncode == 0
    for body, words in (("return 1 / 0", "ZeroDivisionError"), ("return [Passage('a', 'b')]", "no path, no commit")):
        module = (
            "from patina_assets.passages.item_source import ItemSource\n"
            "from patina_assets.passages.passage import Passage\n"
            f"def passages(rows, texts):\n    {body}\n"
            "THING = ItemSource('odd', 'odd things', (), passages, 1)\n"
        )
        environment.install("patina-odd", module, "[patina.item_sources]\nthing = patina_odd:THING\n")
        failed = environment.patina(project.root, "oxidize")
        assert failed.returncode == 1
        assert "the item source odd of patina-odd 1.0 failed" in failed.stdout + failed.stderr
        assert words in failed.stdout + failed.stderr
        assert json.loads(environment.patina(project.root, "scry", "parse a token", "--json").stdout)
    environment.uninstall("patina-odd")


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
