"""What fails beside a fleet: the disk of a worker, and the store that it publishes to."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from fleets import SUBJECTS, artifacts_of, make_fleet
from postgres_server import running_postgres
from published_fleet import all_rows
from small_project import patina

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
    (disk.parent / "calm.toml").write_text(file.read_text().replace("/kept", "/calm"))
    assert patina("fleet", "run", "--file", str(disk.parent / "calm.toml")).code == 0
    for name in SUBJECTS:
        built = artifacts_of(disk / "projects" / name)
        assert built == artifacts_of(disk.parent / "calm" / "projects" / name) != {}


def test_a_store_that_is_away_costs_no_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, _ = make_fleet(tmp_path)
    file.write_text(file.read_text().replace("[defaults]\n", '[defaults]\ngroups = ["staff"]\n'))
    monkeypatch.setenv("PATINA_FLEET", str(file))
    with running_postgres() as server:
        mothership().settings.write_text(f'[fleet]\ndsn = "{server.dsn()}"\n')
        assert patina("fleet", "run", "alpha").code == 0
        server.ctl("-m", "immediate", "stop")
        assert patina("fleet", "run").code == 1
        told = standings()
        assert told["alpha"] == ("fresh", None)
        for name in ("beta", "gamma"):
            assert told[name][0] == "failed"
            assert "cannot be reached" in (told[name][1] or "")
            assert artifacts_of(tmp_path / "kept" / "projects" / name)  # it answers questions here
        server.start()
        assert patina("fleet", "run").code == 0
        assert standings() == dict.fromkeys(SUBJECTS, ("fresh", None))
        assert [name for (name,) in all_rows(server, NAMES)] == sorted(SUBJECTS)
