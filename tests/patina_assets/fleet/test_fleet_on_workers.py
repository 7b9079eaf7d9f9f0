"""The launcher's contract, and a fleet on real servers: Postgres, Redis, a daemon and two workers on loopback."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from fleets import SUBJECTS, artifacts_of, make_fleet
from loopback import Services, missing, wait_until
from small_project import patina

REASON = missing()
pytestmark = pytest.mark.skipif(bool(REASON), reason=REASON)
# Of a busy machine: it is waited for a condition, never for a time.
LONG = 300.0


@pytest.fixture
def services() -> Iterator[Services]:
    folder = Path(tempfile.mkdtemp(prefix="patina-services-"))  # Postgres cannot enter pytest's own folder
    folder.chmod(0o755)
    home = os.environ["PATINA_HOME"]
    started = Services(folder, {"PATINA_FLEET": str(folder / "fleet.toml"), "PATINA_HOME": home})
    try:
        yield started
    finally:
        started.stop_all()
        shutil.rmtree(folder)


def states() -> dict[str, str]:
    """Return how each repository stands."""
    done = patina("fleet", "status", "--json")
    return {entry["name"]: entry["state"] for entry in json.loads(done.out)["projects"]}


def test_a_fleet_on_workers_survives_kills(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    _, repositories = make_fleet(services.folder)
    for name, value in services.environment.items():
        monkeypatch.setenv(name, value)
    services.start_postgres()
    services.start_redis()
    services.start_worker("one")
    services.start_daemon()
    assert patina("fleet", "fetch").code == 0
    wait_until(lambda: "fresh" in states().values(), "a first build", LONG)
    services.kill("one")
    services.start_worker("two")
    services.start_worker("three")
    wait_until(lambda: set(states().values()) == {"fresh"}, "all builds, although a worker was killed", LONG)
    # Redis and Postgres come back, and so does the work.
    services.stop("redis")
    services.stop("postgres")
    services.start_postgres()
    services.start_redis()
    repositories["beta"].write("src/new.py", "def brand_new():\n    return 'a comet'\n")
    head = repositories["beta"].commit("Follow the comet")
    assert patina("fleet", "fetch").code == 0
    wait_until(lambda: states()["beta"] == "fresh", "a build after the servers came back", LONG)
    told = json.loads(patina("fleet", "status", "beta", "--json").out)["projects"]
    assert told[0]["built"] == head
    compare_with_one_machine(services, monkeypatch)


def compare_with_one_machine(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """Assert that the artifacts are those that one machine builds, for what was built in one go."""
    calm = services.folder / "calm.toml"
    calm.write_text((services.folder / "fleet.toml").read_text().replace("/kept", "/calm"))
    monkeypatch.setenv("PATINA_FLEET", str(calm))
    monkeypatch.delenv("PATINA_FLEET_DATABASE")
    assert patina("fleet", "run").code == 0
    for name in SUBJECTS.keys() - {"beta"}:
        built = artifacts_of(services.folder / "kept" / "projects" / name)
        assert built == artifacts_of(services.folder / "calm" / "projects" / name)
        assert len(built) >= 4
