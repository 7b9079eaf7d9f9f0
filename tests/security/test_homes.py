"""Homes and checkouts that the user cannot write to, or does not own; projects of an older version."""

import json
import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from commands import Commands
from installations import give_key
from refusals import refusal, refused
from small_project import make_project, patina
from victims import built_by_attacker, clone, run, unpack

from patina_resources.errors import PatinaError
from patina_resources.store.folders.own import own_folder
from patina_resources.store.mothership import mothership

QUESTION = ("scry", "recipe validation of a field")
SOMEBODY = 54321
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser can give a file to another user")


@pytest.fixture(scope="module")
def attacker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_by_attacker(tmp_path_factory.mktemp("built"))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return give_key(tmp_path / "user" / "mothership")


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@needs_root
def test_a_home_of_somebody_else_is_only_read(attacker: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o777)
    os.chown(shared, SOMEBODY, SOMEBODY)
    user = tmp_path / "user"
    user.mkdir()
    victim = clone(attacker, tmp_path / "victim")
    shutil.copytree(attacker / ".patina" / "data", victim / ".patina" / "data")
    done = run(victim, shared, "oxidize", HOME=str(user))
    assert done.code == 0, done.err
    assert run(victim, shared, *QUESTION, HOME=str(user)).code == 0
    assert names(shared) == []
    assert (user / ".patina" / "key").is_file()


def test_one_projection_is_built_beside_others_that_were_built_elsewhere(
    attacker: Path, tmp_path: Path, home: Path
) -> None:
    victim = unpack(attacker, tmp_path / "victim")
    done = run(victim, home, "oxidize", "--only", "base")
    assert done.code == 0, done
    assert run(victim, home, *QUESTION).code == 0


def test_a_home_that_cannot_be_written_to_is_only_read(attacker: Path, tmp_path: Path) -> None:
    shared, user = tmp_path / "shared", tmp_path / "user"
    shared.mkdir()
    shared.chmod(0o555)
    user.mkdir()
    victim = unpack(attacker, tmp_path / "victim")
    commands = Commands({"PATINA_HOME": str(shared), "HOME": str(user)})
    done = commands.run(victim, "oxidize", obey_permissions=True)
    assert done.code == 0, done.err
    assert commands.run(victim, *QUESTION, obey_permissions=True).code == 0
    commands.close()
    assert names(shared) == []
    assert (user / ".patina" / "key").is_file()


@needs_root
def test_no_folder_that_another_user_prepared_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in (tmp_path / "home", tmp_path / "mothership"):
        folder.mkdir()
        os.chown(folder, SOMEBODY, SOMEBODY)
    os.chown(tmp_path / "home", SOMEBODY, SOMEBODY)
    (tmp_path / "home" / ".patina").mkdir()
    os.chown(tmp_path / "home" / ".patina", SOMEBODY, SOMEBODY)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    mine = tmp_path / f"patina-{os.geteuid()}"
    assert own_folder(tmp_path / "mothership") == mine
    assert mine.stat().st_mode & 0o777 == 0o700
    mine.rmdir()
    mine.symlink_to(tmp_path / "home")
    with pytest.raises(PatinaError, match="set PATINA_HOME to a folder of yours"):
        own_folder(tmp_path / "mothership")
    mine.unlink()
    mine.mkdir()
    for mode, owner in ((0o777, 0), (0o700, SOMEBODY)):
        mine.chmod(mode)
        os.chown(mine, owner, owner)
        with pytest.raises(PatinaError, match="set PATINA_HOME to a folder of yours"):
            own_folder(tmp_path / "mothership")


@pytest.mark.parametrize("below", ["file", "file/deeper", "link"])
def test_a_home_that_is_no_folder_is_refused_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, below: str
) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to("nowhere")
    monkeypatch.setenv("PATINA_HOME", str(tmp_path / below))
    with pytest.raises(PatinaError, match=rf"^PATINA_HOME=\S+/{below}: \S+ is no folder: set PATINA_HOME to a folder"):
        mothership()
    for command in (("doctor",), ("doctor", "--json"), ("model", "list"), ("init",)):
        done = run(tmp_path, tmp_path / below, *command)
        assert (done.code, done.out, done.err.count("\n")) == (2, "", 1), done
        assert done.err.startswith("patina: PATINA_HOME="), done


OTHER_BYTES = os.fsdecode(b"caf\xe9")


@pytest.mark.parametrize("variable", ["PATINA_HOME", "HOME"])
def test_a_home_that_is_not_utf_8_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.delenv("PATINA_HOME")
    monkeypatch.setenv(variable, str(tmp_path / OTHER_BYTES))
    place = f"{tmp_path}/caf\\xe9" + ("/.patina" if variable == "HOME" else "")
    named = "" if variable == "HOME" else "PATINA_HOME="
    assert refusal(mothership) == (
        f"{named}{place}: is not UTF-8, and models and indexes cannot be opened there: set PATINA_HOME to a folder of "
        "yours whose path is UTF-8"
    )
    for command in (("init",), ("doctor", "--json"), ("model", "list"), ("scry", "x"), ("hook", "run")):
        refused(patina(*command), "is not UTF-8", "set PATINA_HOME")


def test_a_project_or_its_data_in_a_folder_that_is_not_utf_8_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_project(tmp_path / "project")
    monkeypatch.setenv("PATINA_DATA", str(tmp_path / OTHER_BYTES))
    monkeypatch.chdir(project.root)
    refused(patina("oxidize"), f"PATINA_DATA={tmp_path}/caf\\xe9/", "is not UTF-8", "choose another folder")
    monkeypatch.delenv("PATINA_DATA")
    moved = project.root.rename(tmp_path / OTHER_BYTES)
    monkeypatch.chdir(moved)
    for command in (("init",), ("oxidize",), ("recent",), ("scry", "x"), ("mcp", "--print-config", "codex")):
        refused(patina(*command), f"{tmp_path}/caf\\xe9: is not UTF-8", "rename the folder")
    assert f"{tmp_path}/caf\\xe9: is not UTF-8" in patina("doctor").out


def test_an_eventlog_may_be_in_a_folder_that_is_not_utf_8(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project(tmp_path / "project")
    (tmp_path / OTHER_BYTES).mkdir()
    place = project.eventlog().rename(tmp_path / OTHER_BYTES / "events.db")
    monkeypatch.chdir(project.root)
    assert patina("oxidize", "--dry-run", "--eventlog", str(place)).code == 0
    monkeypatch.setenv("PATINA_EVENTLOG", str(place))
    assert "commit" in patina("recent").out


def test_a_user_without_a_home_has_a_folder_for_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PATINA_HOME")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("HOME", os.devnull)
    assert mothership().home == tmp_path / f"patina-{os.geteuid()}"
    (tmp_path / ".patina").write_text("x")
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(PatinaError, match=r"\.patina: is no folder, .*: move it away, or set PATINA_HOME"):
        mothership()


def test_a_read_only_checkout_says_the_command_to_go_on(attacker: Path, tmp_path: Path, home: Path) -> None:
    victim = clone(attacker, tmp_path / "victim")
    (victim / ".patina").chmod(0o555)
    commands = Commands({"PATINA_HOME": str(home), "HOME": str(home.parent)})
    for command in ("oxidize", "materialize"):
        refused = commands.run(victim, command, obey_permissions=True)
        assert (refused.code, refused.err.count("\n"), "PATINA_DATA=FOLDER" in refused.err) == (2, 1, True), refused
    elsewhere = {"PATINA_DATA": str(tmp_path / "elsewhere")}
    eventlog = str(attacker / ".patina" / "data" / "patina.db")
    done = commands.run(victim, "oxidize", "--eventlog", eventlog, environment=elsewhere, obey_permissions=True)
    assert done.code == 0, done.err
    assert commands.run(victim, *QUESTION, environment=elsewhere, obey_permissions=True).code == 0
    commands.close()
    assert names(victim / ".patina") == ["oxidize.yaml"]


def test_a_cache_of_continuous_integration_is_accepted_by_one_variable(
    attacker: Path, tmp_path: Path, home: Path
) -> None:
    checkout = clone(attacker, tmp_path / "checkout")
    shutil.copytree(attacker / ".patina" / "data", checkout / ".patina" / "data")
    assert "stale" in run(checkout, home, "oxidize", "--dry-run").out
    assert "stale" not in run(checkout, home, "oxidize", "--dry-run", PATINA_TRUST="1").out


# Projects that a version without keyed digests has built


def make_older(project: Path) -> None:
    """Turn what is built into what version 0.1 wrote: manifests without a keyed digest, a cache without keyed rows."""
    data = project / ".patina" / "data"
    for path in data.rglob("*.manifest.json"):
        document = json.loads(path.read_bytes()) | {"version": 2}
        del document["keyed_sha256"], document["built_by"]
        path.write_text(json.dumps(document))
    for path in data.rglob("cache.db"):
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("ALTER TABLE vector DROP COLUMN mac")
            connection.execute("PRAGMA user_version = 1")
        path.with_name("cache.db.seal").unlink()


def test_a_project_of_an_older_version_is_taken_over(attacker: Path, tmp_path: Path, home: Path) -> None:
    project = unpack(attacker, tmp_path / "project")
    make_older(project)
    (home / "projects.txt").write_text(f"{project}\n")
    assert "stale" not in run(project, home, "oxidize", "--dry-run").out
    done = run(project, home, "oxidize")
    assert (done.code, "nothing is stale" in done.out) == (0, True), done
    assert done.err.count("\n") == 1
    assert "built by an older version of Patina: its artifacts and vectors are taken over" in done.err
    assert run(project, home, *QUESTION).code == 0
    shutil.rmtree(project / ".patina" / "data" / "embeddings" / "corpus-static" / "projections")
    assert "new texts" in run(project, home, "oxidize").out
    with closing(sqlite3.connect(project / ".patina/data/embeddings/corpus-static/cache.db")) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (2,)


def test_nothing_is_taken_over_twice_or_from_strangers(attacker: Path, tmp_path: Path, home: Path) -> None:
    stranger = unpack(attacker, tmp_path / "stranger")
    make_older(stranger)
    assert "built elsewhere" in run(stranger, home, "oxidize", "--dry-run").out
    assert run(stranger, home, "init", "--no-build").code == 0  # which remembers the project
    assert "built elsewhere" in run(stranger, home, "oxidize", "--dry-run").out
    known = unpack(attacker, tmp_path / "known")
    (home / "projects.txt").write_text(f"{known}\n")
    run(known, home, "oxidize")
    make_older(known)
    assert "built elsewhere" in run(known, home, "oxidize", "--dry-run").out


def test_a_key_that_was_lost_makes_all_foreign(attacker: Path, tmp_path: Path, home: Path) -> None:
    project = unpack(attacker, tmp_path / "project")
    assert run(project, home, "trust", "--yes").code == 0
    give_key(home, "33" * 32)
    (home / "projects.txt").write_text(f"{project}\n")
    assert "built elsewhere" in run(project, home, "oxidize", "--dry-run").out
