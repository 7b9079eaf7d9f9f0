"""What another installation built is named, stale, and seen by no native code until the user accepts it."""

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from installations import give_key
from victims import built_by_attacker, clone, commit_all, git, run, unpack

BASE = ".patina/data/embeddings/corpus-static"
CRASH = b"usearch" + b"\xff" * 4096
QUESTION = ("scry", "recipe validation of a field")
READERS = (QUESTION, ("evaluate",), ("map", "base"), ("export", "temporal", "--to", "exported"))


@pytest.fixture(scope="module")
def attacker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_by_attacker(tmp_path_factory.mktemp("attack"))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return give_key(tmp_path / "user" / "mothership")


@pytest.fixture
def built(attacker: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Return a project and the mothership of those who built it."""
    shutil.copytree(attacker, tmp_path / "built")
    return tmp_path / "built", attacker.parent / "attacker-home"


@pytest.fixture
def hostile(attacker: Path, tmp_path: Path) -> Path:
    """Return the attacker's repository, to be changed."""
    shutil.copytree(attacker, tmp_path / "hostile")
    return tmp_path / "hostile"


def replace_output(root: Path, manifest: str, stage: str, role: str, content: bytes, version: int = 3) -> None:
    """Replace a file of a stage, and recompute the manifest as anybody can."""
    path = root / manifest
    document = json.loads(path.read_bytes())
    output = document["stages"][stage]["outputs"][role]
    (path.parent / output["file"]).write_bytes(content)
    output |= {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    plain = json.dumps([document["of"], document["stages"]]).encode()
    document |= {"sha256": hashlib.sha256(plain).hexdigest(), "version": version}
    if version < 3:
        del document["keyed_sha256"], document["built_by"]
    path.write_text(json.dumps(document))


ATTACKS: dict[str, Callable[[Path], None]] = {
    "index": lambda root: replace_output(root, f"{BASE}/base.manifest.json", "index", "usearch", CRASH),
    "index of an older version": lambda root: replace_output(
        root, f"{BASE}/base.manifest.json", "index", "usearch", CRASH, version=2
    ),
    "search file": lambda root: replace_output(root, f"{BASE}/base.manifest.json", "index", "search.db", CRASH),
    "weights": lambda root: replace_output(
        root, f"{BASE}/projections/temporal.manifest.json", "weights", "safetensors", b"\xff" * 64
    ),
    "model": lambda root: replace_output(
        root, ".patina/data/models/corpus-static/model.manifest.json", "model", "onnx", b"\x08\xff" * 64
    ),
    "tokenizer": lambda root: replace_output(
        root, ".patina/data/models/corpus-static/model.manifest.json", "model", "tokenizer.json", b"{" * 100_000
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_artifacts_in_a_clone_are_not_opened(attack: str, hostile: Path, tmp_path: Path, home: Path) -> None:
    ATTACKS[attack](hostile)
    commit_all(hostile)
    victim = clone(hostile, tmp_path / "victim")
    for command in READERS:
        done = run(victim, home, *command)
        assert done.code == 2, done
        assert "Traceback" not in done.err
        assert ("built elsewhere" in done.err) or ("git tracks" in done.err), done.err
    for command in (("oxidize",), ("oxidize", "--dry-run"), ("trust", "--yes"), ("materialize",)):
        done = run(victim, home, *command, PATINA_TRUST="1")
        assert done.code == 2, done
        assert "git tracks" in done.err
        assert "git rm -r -q --cached" in done.err


def test_artifacts_in_an_archive_are_built_again(hostile: Path, tmp_path: Path, home: Path) -> None:
    for attack in ATTACKS.values():
        attack(hostile)
    victim = unpack(hostile, tmp_path / "victim")
    done = run(victim, home, *QUESTION)
    assert done.code == 2, done
    assert "built elsewhere" in done.err
    planned = run(victim, home, "oxidize", "--dry-run")
    assert planned.out.count("built elsewhere") > 10, planned
    assert "patina trust" in planned.err
    assert run(victim, home, "oxidize").code == 0
    assert run(victim, home, *QUESTION).code == 0
    assert "nothing is stale" in run(victim, home, "oxidize").out


def test_untracking_is_all_that_a_clone_needs(hostile: Path, tmp_path: Path, home: Path) -> None:
    commit_all(hostile)
    victim = clone(hostile, tmp_path / "victim")
    refused = run(victim, home, "oxidize")
    command = refused.err.split("`")[1]
    git(victim, *command.split()[1:])
    assert run(victim, home, "oxidize").code == 0
    assert run(victim, home, *QUESTION).code == 0


@pytest.mark.parametrize("name", ["data/patina.db", "data/oxidize.lock", "local/data/patina.db", "data/x/y"])
def test_any_derived_file_that_git_tracks_is_refused(name: str, hostile: Path, tmp_path: Path, home: Path) -> None:
    path = hostile / ".patina" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"anything")
    git(hostile, "add", "--force", f".patina/{name}")
    git(hostile, "commit", "-qm", "Add a file")
    victim = clone(hostile, tmp_path / "victim")
    for command in ("oxidize", "materialize", "evaluate"):
        done = run(victim, home, command)
        assert (done.code, done.err.count("\n")) == (2, 1), done
        assert f"git tracks .patina/{name}: " in done.err


def test_a_submodule_in_the_place_of_the_data_is_refused(hostile: Path, tmp_path: Path, home: Path) -> None:
    inner = tmp_path / "inner"
    shutil.copytree(hostile / ".patina" / "data", inner)
    git(inner, "init", "-q")
    commit_all(inner)
    shutil.rmtree(hostile / ".patina" / "data")
    allowed = ["-c", "protocol.file.allow=always"]
    git(hostile, *allowed, "submodule", "--quiet", "add", "--force", str(inner), ".patina/data")
    git(hostile, "commit", "-qm", "Add a submodule")
    victim = tmp_path / "victim"
    git(tmp_path, *allowed, "clone", "-q", "--recurse-submodules", str(hostile), str(victim))
    assert (victim / ".patina" / "data" / "patina.db").is_file()
    done = run(victim, home, "oxidize")
    assert (done.code, "git tracks .patina/data: " in done.err) == (2, True), done
    assert "built elsewhere" in run(victim, home, *QUESTION).err


def test_other_files_of_an_older_tool_may_be_tracked(hostile: Path, tmp_path: Path, home: Path) -> None:
    (hostile / ".patina" / "uid").write_text("1234")
    git(hostile, "add", "--force", ".patina/uid", ".patina/oxidize.yaml")
    git(hostile, "commit", "-qm", "Add an identity")
    victim = clone(hostile, tmp_path / "victim")
    shutil.copytree(hostile / ".patina" / "data", victim / ".patina" / "data")
    assert run(victim, home, "oxidize").code == 0


# What the user accepts


def test_trust_shows_and_accepts(attacker: Path, tmp_path: Path, home: Path) -> None:
    victim = unpack(attacker, tmp_path / "victim")
    shown = run(victim, home, "trust")
    assert shown.code == 2
    assert "base.manifest.json" in shown.err
    assert "cache.db" in shown.err
    assert "whole" in shown.err
    assert "patina trust --yes" in shown.err
    assert "built elsewhere" in run(victim, home, *QUESTION).err
    assert run(victim, home, "trust", "--yes").code == 0
    assert run(victim, home, *QUESTION).code == 0
    assert "nothing is stale" in run(victim, home, "oxidize").out
    assert "nothing to accept" in run(victim, home, "trust").out


def test_trust_says_what_is_damaged(hostile: Path, tmp_path: Path, home: Path) -> None:
    victim = unpack(hostile, tmp_path / "victim")
    (victim / BASE / "base.usearch").write_bytes(b"cut")
    assert "base.usearch is damaged" in run(victim, home, "trust").err
    assert run(victim, home, "trust", "--yes").code == 0
    assert "base.usearch is damaged" in run(victim, home, "oxidize", "--dry-run").out


def test_the_environment_accepts_too(attacker: Path, tmp_path: Path, home: Path) -> None:
    victim = unpack(attacker, tmp_path / "victim")
    assert run(victim, home, *QUESTION, PATINA_TRUST="1").code == 0
    assert "nothing is stale" in run(victim, home, "oxidize", PATINA_TRUST="1").out
    assert run(victim, home, *QUESTION, PATINA_TRUST="0").code == 2
    assert run(victim, home, *QUESTION, PATINA_TRUST="").code == 2


def test_a_copy_on_the_same_machine_is_ours(built: tuple[Path, Path]) -> None:
    copied, own = built
    assert run(copied, own, *QUESTION).code == 0
    assert "nothing is stale" in run(copied, own, "oxidize").out


# Vectors


def rows(path: Path) -> list[tuple[bytes, bytes]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT text, vector FROM vector ORDER BY text").fetchall()


def test_vectors_from_elsewhere_are_put_aside_and_taken_over(attacker: Path, tmp_path: Path, home: Path) -> None:
    victim = unpack(attacker, tmp_path / "victim")
    cache = victim / BASE / "cache.db"
    before = rows(cache)
    done = run(victim, home, "oxidize")
    assert "filled elsewhere" in done.err
    aside = cache.with_name("cache.db.foreign")
    assert rows(aside) == before
    cache.unlink()
    shutil.rmtree(cache.parent / "projections")
    assert run(victim, home, "trust", "--yes").code == 0
    assert rows(cache) == before
    assert not aside.exists()


@pytest.mark.parametrize("statement", ["UPDATE vector SET vector = zeroblob(length(vector))", "forge"])
def test_changed_vectors_are_not_used(statement: str, built: tuple[Path, Path]) -> None:
    root, own = built
    cache = root / BASE / "cache.db"
    before = rows(cache)
    with closing(sqlite3.connect(cache)) as connection, connection:
        if statement == "forge":  # a right check value: anybody can compute it
            import zlib

            connection.create_function("crc", 2, lambda text, vector: zlib.crc32(vector, zlib.crc32(text)))
            connection.execute("UPDATE vector SET vector = zeroblob(length(vector))")
            connection.execute("UPDATE vector SET check_value = crc(text, vector)")
        else:
            connection.execute(statement)
    shutil.rmtree(root / BASE / "projections")
    (root / BASE / "base.manifest.json").unlink()
    done = run(root, own, "oxidize")
    assert done.code == 0, done.err
    assert rows(cache) == before


HOSTILE_SCHEMAS = {
    "trigger": "CREATE TRIGGER steal AFTER INSERT ON vector BEGIN DELETE FROM vector; END",
    "view": "ALTER TABLE vector RENAME TO hidden; CREATE VIEW vector AS SELECT * FROM hidden",
    "endless view": "DROP TABLE vector; CREATE VIEW vector AS "
    "WITH RECURSIVE n(model, text, vector, check_value, mac) AS (VALUES('m', x'', x'', 0, x'') "
    "UNION ALL SELECT model, text, vector, check_value + 1, mac FROM n) SELECT * FROM n",
    "other columns": "DROP TABLE vector; CREATE TABLE vector (model TEXT)",
}


@pytest.mark.parametrize("schema", HOSTILE_SCHEMAS)
def test_a_database_with_a_hostile_schema_is_only_read(schema: str, built: tuple[Path, Path]) -> None:
    root, own = built
    cache = root / BASE / "cache.db"
    before = rows(cache)
    with closing(sqlite3.connect(cache)) as connection:
        connection.executescript(HOSTILE_SCHEMAS[schema])
    shutil.rmtree(root / BASE / "projections")
    (root / BASE / "base.manifest.json").unlink()
    done = run(root, own, "oxidize")
    assert done.code == 0, done.err
    assert rows(cache) == before
    with closing(sqlite3.connect(cache)) as connection:
        kinds = connection.execute("SELECT DISTINCT type FROM sqlite_schema").fetchall()
    assert set(kinds) == {("table",), ("index",)}


def test_a_journal_beside_a_sealed_database_is_not_replayed(built: tuple[Path, Path]) -> None:
    root, own = built
    cache = root / BASE / "cache.db"
    before, sealed = rows(cache), cache.read_bytes()
    other = sqlite3.connect(cache, isolation_level=None)
    other.execute("PRAGMA journal_mode = WAL")
    other.execute("UPDATE vector SET vector = zeroblob(length(vector))")
    journal = cache.with_name("cache.db-wal").read_bytes()
    other.close()
    cache.write_bytes(sealed)
    cache.with_name("cache.db-wal").write_bytes(journal)
    shutil.rmtree(root / BASE / "projections")
    (root / BASE / "base.manifest.json").unlink()
    assert run(root, own, "oxidize").code == 0
    assert rows(cache) == before


def test_a_rollback_journal_beside_a_cache_deletes_no_file(built: tuple[Path, Path], tmp_path: Path) -> None:
    root, own = built
    cache = root / BASE / "cache.db"
    victim = tmp_path / "victim"
    victim.write_bytes(b"kept")
    named = str(victim).encode()
    check = sum(named).to_bytes(4, "big")
    trailer = b"\0\0\0\0" + named + len(named).to_bytes(4, "big") + check + bytes.fromhex("d9d505f920a163d7")
    cache.with_name("cache.db-journal").write_bytes(bytes.fromhex("d9d505f920a163d7") + bytes(504) + trailer)
    shutil.rmtree(root / BASE / "projections")
    (root / BASE / "base.manifest.json").unlink()
    assert run(root, own, "oxidize").code == 0
    assert victim.read_bytes() == b"kept"
    assert not cache.with_name("cache.db-journal").exists()


# The key


def test_the_key_is_made_once_and_private(built: tuple[Path, Path], tmp_path: Path) -> None:
    home = tmp_path / "user" / "mothership"
    root, _ = built
    run(root, home, "oxidize", "--dry-run")
    key = home / "key"
    content = key.read_bytes()
    assert (key.stat().st_mode & 0o777, home.stat().st_mode & 0o777) == (0o600, 0o700)
    run(root, home, "oxidize", "--dry-run")
    assert key.read_bytes() == content


@pytest.mark.parametrize(
    "damage", [lambda key: key.chmod(0o644), lambda key: key.write_text("11"), lambda key: key.write_text("no")]
)
def test_a_key_that_is_no_secret_is_refused(
    damage: Callable[[Path], None], attacker: Path, tmp_path: Path, home: Path
) -> None:
    victim = unpack(attacker, tmp_path / "victim")
    damage(home / "key")
    done = run(victim, home, *QUESTION)
    assert (done.code, done.err.count("\n")) == (2, 1), done
    assert str(home / "key") in done.err
