"""Nothing below `.patina` is opened through a link, under a second name, or as a special file; nothing is outside."""

import os
import shutil
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from commands import Commands
from installations import OTHER_KEY, give_key
from victims import built_by_attacker, clone, git, run, unpack

from patina_resources.errors import PatinaError
from patina_resources.project.project import project_at

COMMANDS = (
    ("materialize",),
    ("oxidize",),
    ("oxidize", "--dry-run"),
    ("scry", "anything"),
    ("like", "anything"),
    ("recent",),
    ("why", "anything"),
    ("evaluate",),
    ("init",),
    ("trust", "--yes"),
    ("map", "base"),
)
BASE = "embeddings/corpus-static"
PLACES = (
    "data/oxidize.mutex",
    "data/failures.log",
    "data/oxidize.lock",
    "data/source-digests.json",
    "data/file-digests.json",
    "data/patina.db",
    "data/patina.db-wal",
    f"data/{BASE}/cache.db",
    f"data/{BASE}/cache.db.seal",
    f"data/{BASE}/cache.db.mutex",
    f"data/{BASE}/base.usearch",
    f"data/{BASE}/projections/temporal.manifest.json",
    "data/models/corpus-static/model.onnx",
    "config.toml",
    "oxidize.yaml",
)
SECRET = b"the user's own words\n"


@pytest.fixture(scope="module")
def attacker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_by_attacker(tmp_path_factory.mktemp("attack"))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return give_key(tmp_path / "user" / "mothership", OTHER_KEY)


@pytest.fixture
def hostile(attacker: Path, tmp_path: Path) -> Path:
    shutil.copytree(attacker, tmp_path / "hostile")
    return tmp_path / "hostile"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """Return a file of the victim's."""
    path = tmp_path / "user" / "secret"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(SECRET)
    return path


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def check_refused(victim: Path, home: Path, secret: Path, *words: str) -> None:
    """Assert that each command says one sentence, and that nothing of the victim's changed."""
    before = secret.read_bytes(), secret.stat().st_mtime_ns, secret.stat().st_mode
    for command in COMMANDS:
        done = run(victim, home, *command)
        assert done.code == 2, (command, done)
        assert done.err.count("\n") == 1, (command, done)
        assert any(word in done.err for word in words), (command, done)
        assert SECRET.decode().strip() not in done.out + done.err
    assert (secret.read_bytes(), secret.stat().st_mtime_ns, secret.stat().st_mode) == before


@pytest.mark.parametrize("place", PLACES)
def test_a_link_in_a_clone_is_not_followed(place: str, hostile: Path, tmp_path: Path, home: Path, secret: Path) -> None:
    path = hostile / ".patina" / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(secret)
    git(hostile, "add", "--force", f".patina/{place}")
    git(hostile, "commit", "-qm", "Add a link")
    victim = clone(hostile, tmp_path / "victim")
    assert (victim / ".patina" / place).is_symlink()
    check_refused(victim, home, secret, f".patina/{place}: is a symbolic link")


IRREGULAR: dict[str, Callable[[Path, Path], None]] = {
    "a symbolic link": lambda path, secret: path.symlink_to(secret),
    "a file with a second name (hard link)": lambda path, secret: os.link(secret, path),
    "a named pipe": lambda path, _: os.mkfifo(path),
}


@pytest.mark.parametrize("kind", IRREGULAR)
@pytest.mark.parametrize(
    "place", ["data/oxidize.mutex", "data/failures.log", "data/patina.db", f"data/{BASE}/cache.db"]
)
def test_what_is_no_plain_file_is_refused(
    kind: str, place: str, hostile: Path, tmp_path: Path, home: Path, secret: Path
) -> None:
    victim = unpack(hostile, tmp_path / "victim")
    path = victim / ".patina" / place
    path.unlink(missing_ok=True)
    IRREGULAR[kind](path, secret)
    check_refused(victim, home, secret, f".patina/{place}: is {kind}")


def test_a_socket_is_refused(hostile: Path, tmp_path: Path, home: Path, secret: Path) -> None:
    victim = unpack(hostile, tmp_path / "victim")
    (victim / ".patina" / "data" / "patina.db").unlink()
    with closing(socket.socket(socket.AF_UNIX)) as listening:
        working = Path.cwd()
        os.chdir(victim / ".patina" / "data")  # the path of a socket is short
        try:
            listening.bind("patina.db")
        finally:
            os.chdir(working)
        check_refused(victim, home, secret, "patina.db: is a socket")


@pytest.mark.parametrize("folder", ["", "data", f"data/{BASE}", "data/models", "data/embeddings", "local"])
def test_a_link_in_the_place_of_a_folder_is_refused(
    folder: str, hostile: Path, tmp_path: Path, home: Path, secret: Path
) -> None:
    victim = unpack(hostile, tmp_path / "victim")
    path = victim / ".patina" / folder
    outside = tmp_path / "outside"
    if path.exists():
        shutil.move(path, outside)
    else:
        outside.mkdir()
    path.symlink_to(outside)
    before = snapshot(outside)
    check_refused(victim, home, secret, "is a symbolic link")
    assert snapshot(outside) == before


def test_the_user_may_choose_the_data_folder(attacker: Path, tmp_path: Path, home: Path) -> None:
    victim = clone(attacker, tmp_path / "victim")
    outside = tmp_path / "outside"
    shutil.copytree(attacker / ".patina" / "data", outside)
    (victim / ".patina" / "data").symlink_to(outside)
    refused = run(victim, home, "oxidize", "--dry-run")
    table, data = refused.err.split("`")[1::2][:2]
    (home / "config.toml").write_text(f"{table}\n{data}\n")
    assert run(victim, home, "scry", "recipe validation of a field").code == 0
    (victim / ".patina" / "data").unlink()
    assert "nothing is stale" in run(victim, home, "oxidize").out
    assert not (victim / ".patina" / "data").exists()


def test_init_does_not_copy_a_file_behind_gitignore(hostile: Path, tmp_path: Path, home: Path, secret: Path) -> None:
    (hostile / ".gitignore").unlink()
    (hostile / ".gitignore").symlink_to(secret)
    git(hostile, "add", ".gitignore")
    git(hostile, "commit", "-qm", "Ignore")
    victim = clone(hostile, tmp_path / "victim")
    done = run(victim, home, "init")
    assert (done.code, ".gitignore: is a symbolic link" in done.err) == (2, True), done
    assert (victim / ".gitignore").is_symlink()
    assert secret.read_bytes() == SECRET


# An eventlog outside of the project


def other_program(path: Path) -> Path:
    """Return another program's database, whose tables have the names of ours."""
    with closing(sqlite3.connect(path)) as connection, connection:
        for table in ("observations", "goals", "commits", "eventlog"):
            connection.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, content TEXT)")
            connection.execute(f"INSERT INTO {table} (content) VALUES ('kept')")
    return path


@pytest.mark.parametrize(
    "setting",
    ['path = "{}"', 'url = "sqlite:///{}"', 'path = "../user/other.db"', 'path = "way/user/other.db"'],
)
def test_the_database_of_another_program_is_not_touched(
    setting: str, hostile: Path, tmp_path: Path, home: Path
) -> None:
    other = other_program(tmp_path / "user" / "other.db")
    (hostile / "way").symlink_to("..")
    (hostile / ".patina" / "config.toml").write_text(f"[eventlog]\n{setting.format(other)}\n")
    git(hostile, "add", ".patina/config.toml", "way")
    git(hostile, "commit", "-qm", "Set up")
    victim = clone(hostile, tmp_path / "victim")
    assert run(tmp_path, home, "model", "add", "english-static").code == 0  # which `init` does before it reads
    before = snapshot(other.parent)
    for command in (("materialize",), ("materialize", "--full"), ("oxidize",), ("evaluate",), ("init",)):
        done = run(victim, home, *command)
        assert (done.code, "is outside of the project" in done.err) == (2, True), (command, done)
    assert {name: content for name, content in snapshot(other.parent).items() if "projects" not in name} == before


@pytest.mark.parametrize("place", [".git/commondir", ".git/hooks/pre-commit", "a/../.GIT/x", "link/index.lock", ".git"])
def test_a_repository_names_no_eventlog_in_gits_own_folder(place: str, tmp_path: Path) -> None:
    (tmp_path / ".patina").mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / "link").symlink_to(".git")
    for setting in (f'path = "{place}"', f'url = "sqlite:///{tmp_path}/{place}"'):
        (tmp_path / ".patina" / "config.toml").write_text(f"[eventlog]\n{setting}\n")
        with pytest.raises(PatinaError, match="is in git's own folder"):
            project_at(tmp_path).eventlog()


def test_the_user_may_name_an_eventlog_elsewhere(attacker: Path, tmp_path: Path, home: Path) -> None:
    victim = clone(attacker, tmp_path / "victim")
    outside = tmp_path / "patina.db"
    shutil.copy(attacker / ".patina" / "data" / "patina.db", outside)
    assert "no eventlog" in run(victim, home, "oxidize", "--dry-run").err
    assert run(victim, home, "oxidize", "--dry-run", PATINA_EVENTLOG=str(outside)).code == 0
    assert run(victim, home, "oxidize", "--dry-run", "--eventlog", str(outside)).code == 0


# Homes


def test_the_umask_decides_who_may_read(attacker: Path, tmp_path: Path, home: Path) -> None:
    victim = clone(attacker, tmp_path / "victim")
    shutil.copytree(attacker / ".patina" / "data", victim / ".patina" / "data")
    shutil.rmtree(victim / ".patina" / "data" / "embeddings")
    old = os.umask(0o077)
    try:
        commands = Commands({"PATINA_HOME": str(home), "HOME": str(home.parent)})
    finally:
        os.umask(old)
    assert commands.run(victim, "oxidize").code == 0
    assert commands.run(victim, "export", "temporal", "--to", "exported").code == 0
    commands.close()
    made = [
        path
        for top in (victim / ".patina" / "data" / "embeddings", victim / "exported", home)
        for path in (top, *top.rglob("*"))
    ]
    assert len(made) > 20
    assert [path for path in made if path.stat().st_mode & 0o077 and path != home] == []
