"""What fails beside a fleet: the disk of a worker, the store that it publishes to, and the team's cache."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from fleets import SUBJECTS, artifacts_of, compare_with_one_run, make_fleet
from postgres_server import PostgresServer
from published_fleet import all_rows
from s3_server import BUCKET, require_s3, running_s3
from small_project import patina

from patina_resources.cache.signing import make_signing_key
from patina_resources.store.mothership import mothership

SMALL, LARGE = "size=900k", "size=64m"
NAMES = "SELECT name FROM patina.project ORDER BY name"


def standings() -> dict[str, tuple[str, str | None]]:
    """Return state and failure of each repository."""
    told = json.loads(patina("fleet", "status", "--json").out)["projects"]
    return {entry["name"]: (entry["state"], entry["failure"]) for entry in told}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Return the folder of a fleet, on a disk that one build fills."""
    place = tmp_path / "kept"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", SMALL, "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no right to mount a small disk")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_is_named_and_the_same_command_goes_on(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, _ = make_fleet(disk.parent)
    monkeypatch.setenv("PATINA_FLEET", str(file))
    done = patina("fleet", "run")
    assert (done.code, "Traceback" in done.out + done.err) == (1, False), done
    assert "space left" in done.out.lower() or "full" in done.out, done
    subprocess.run(["mount", "-o", f"remount,{LARGE}", str(disk)], check=True)
    assert patina("fleet", "run").code == 0
    assert standings() == dict.fromkeys(SUBJECTS, ("fresh", None))
    compare_with_one_run(disk)


def test_what_a_build_is_told_to_may_be_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres: PostgresServer
) -> None:
    """Neither a cache that cannot be written to nor a Postgres that is down costs a build, or an answer here."""
    file, _ = make_fleet(tmp_path, "share = true")
    monkeypatch.setenv("PATINA_FLEET", str(file))
    make_signing_key(mothership())
    store = tmp_path / "store"
    store.write_text("no folder")
    server = postgres.with_database()
    mothership().settings.write_text(f'[fleet]\ndsn = "{server.dsn()}"\n[cache]\nurl = "{store.as_uri()}"\n')
    assert patina("fleet", "run", "beta", "gamma").code == 1
    # Questions are answered from what is new, though it could not be pushed.
    assert [name for (name,) in all_rows(server, NAMES)] == ["beta", "gamma"]
    told = standings()
    for name in ("beta", "gamma"):
        assert told[name][0] == "failed"
        assert "cannot be written to" in (told[name][1] or "")
    store.unlink()
    server.ctl("-m", "immediate", "stop")
    try:
        assert patina("fleet", "run").code == 1
        for name, (state, failure) in standings().items():
            assert (state, "cannot be reached" in (failure or "")) == ("failed", True)
            assert artifacts_of(tmp_path / "kept" / "projects" / name)  # it answers questions here
    finally:
        server.start()
    assert patina("fleet", "run").code == 0
    assert standings() == dict.fromkeys(SUBJECTS, ("fresh", None))
    assert [name for (name,) in all_rows(server, NAMES)] == sorted(SUBJECTS)
    assert len(list(store.glob("v1/snapshots/*/*"))) == len(SUBJECTS)


def test_a_store_that_is_cut_costs_no_build_and_gets_what_it_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_s3()
    file, _ = make_fleet(tmp_path, "share = true")
    monkeypatch.setenv("PATINA_FLEET", str(file))
    make_signing_key(mothership())
    mothership().settings.write_text(f'[cache]\nurl = "s3://{BUCKET}/fleet"\ntimeout_seconds = 1\n')
    with running_s3() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        assert patina("fleet", "run", "alpha").code == 0
        with server.cut():
            assert patina("fleet", "run").code == 1
        told = standings()
        assert told["alpha"] == ("fresh", None)
        assert all("cannot be used" in (told[name][1] or "") for name in ("beta", "gamma")), told
        assert patina("fleet", "run").code == 0
        assert standings() == dict.fromkeys(SUBJECTS, ("fresh", None))
        # Another machine takes all of it from the store.
        (tmp_path / "other.toml").write_text(file.read_text().replace("/kept", "/other"))
        other = patina("fleet", "run", "--file", str(tmp_path / "other.toml"))
        assert (other.code, other.out.count("  0 stages")) == (0, len(SUBJECTS)), other
    for folder in ("kept", "other"):
        compare_with_one_run(tmp_path / folder)
