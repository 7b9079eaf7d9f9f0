"""The launcher's contract, and a fleet on real servers: Postgres, Redis, a daemon and workers on loopback."""

import inspect
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.launcher import ResumeRunContext, WorkerStatus
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin
from fleets import SUBJECTS, compare_with_one_run, make_fleet
from loopback import Services, missing, wait_until
from scratch_place import PLACE
from small_project import patina

REASON = missing()
if not REASON:
    from celery import Celery
    from dagster_celery.launcher import CeleryRunLauncher
    from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG
    from dagster_celery.tasks import create_resume_job_task

    from patina_assets.fleet import queueing
    from patina_assets.fleet.queueing import MOST_MISSES, FleetRunLauncher
pytestmark = pytest.mark.skipif(bool(REASON), reason=REASON)
# Of a busy machine: it is waited for a condition, never for a time.
LONG = 300.0
LOOK_SECONDS = 1.0
# What is shipped, and what holds here: a run is given up sooner whose worker was killed.
SOONER = {
    "start_timeout_seconds: 300": "start_timeout_seconds: 60",
    "poll_interval_seconds: 15": "poll_interval_seconds: 1",
    "module: patina_assets.fleet.queueing": "module: quick_fleet",
}
# The definitions and the launcher as they are shipped, but for how often sensor and launcher look.
QUICK = """
from patina_assets.fleet import queueing
from patina_assets.fleet.definitions import fleet_definitions
from patina_assets.fleet.queueing import FleetRunLauncher

queueing.LOOK_SECONDS = 2.0
defs = fleet_definitions(tick_seconds=1)
"""


@contextmanager
def servers(home: str) -> Iterator[Services]:
    """Yield the servers of a fleet, of which none is started, and end those that were."""
    folder = Path(tempfile.mkdtemp(prefix="patina-services-", dir=PLACE))  # Postgres cannot enter pytest's own folder
    folder.chmod(0o755)
    # Dagster takes the first place away, where a script would be.
    modules = os.pathsep.join([*sys.path, str(folder)])
    given = {"PATINA_FLEET": str(folder / "fleet.toml"), "PATINA_HOME": home, "PYTHONPATH": modules}
    started = Services(folder, given)
    (folder / "quick_fleet.py").write_text(QUICK)
    settings = folder / "dagster_home" / "dagster.yaml"
    told = settings.read_text()
    for shipped, here in SOONER.items():
        assert told.count(f"{shipped}\n") == 1
        told = told.replace(f"{shipped}\n", f"{here}\n")
    settings.write_text(told)
    try:
        yield started
    finally:
        started.stop_all()
        shutil.rmtree(folder)


@pytest.fixture
def services() -> Iterator[Services]:
    with servers(os.environ["PATINA_HOME"]) as started:
        yield started


@pytest.fixture(scope="module")
def broker() -> Iterator[Services]:
    """Return servers of which Redis runs; nobody works there."""
    with servers(os.environ["PATINA_HOME"]) as started:
        started.start_redis()
        yield started


@pytest.fixture(scope="module")
def instance(broker: Services) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(broker.folder)) as made:
        yield made


@pytest.fixture
def launcher(broker: Services, instance: dg.DagsterInstance) -> "FleetRunLauncher":
    """Return a launcher of the instance, on Redis and with no worker."""
    address = broker.environment["PATINA_FLEET_BROKER"]
    made = FleetRunLauncher(default_queue="dagster", broker=address, backend=address)
    made.register_instance(instance)
    return made


def started_run(launcher: "FleetRunLauncher", task: str) -> dg.DagsterRun:
    """Return a run that a worker has begun with."""

    @dg.op
    def nothing() -> None:
        """Do nothing."""

    @dg.job
    def empty() -> None:
        nothing()

    code = RepositoryPythonOrigin("python", ModuleCodePointer("any", "any"))
    return launcher._instance.create_run_for_job(
        empty,
        status=dg.DagsterRunStatus.STARTED,
        tags={DAGSTER_CELERY_TASK_ID_TAG: task},
        job_code_origin=JobPythonOrigin("empty", code),
    )


def look_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each check look at the workers, of which there are none to wait for."""
    monkeypatch.setattr(queueing, "LOOK_SECONDS", -1.0)
    monkeypatch.setattr(queueing, "ANSWER_SECONDS", 0.1)


def test_a_run_that_no_worker_has_any_more_has_failed(
    launcher: "FleetRunLauncher", monkeypatch: pytest.MonkeyPatch
) -> None:
    """The launcher as it is shipped calls it running for ever: the result of its task says STARTED, or SUCCESS."""
    look_each_time(monkeypatch)
    run = started_run(launcher, "gone")
    for state in ("STARTED", "SUCCESS"):
        launcher.celery.backend.store_result("gone", None, state)
        shipped = CeleryRunLauncher.check_run_worker_health(launcher, run)
        assert shipped.status in (WorkerStatus.RUNNING, WorkerStatus.SUCCESS)
        looks = [launcher.check_run_worker_health(run) for _ in range(MOST_MISSES)]
        assert [look.status for look in looks] == [*[WorkerStatus.RUNNING] * (MOST_MISSES - 1), WorkerStatus.FAILED]
        assert "no worker has this run any more" in (looks[-1].msg or "")
    launcher._instance.report_run_failed(run)
    assert launcher.check_run_worker_health(run).status is WorkerStatus.SUCCESS


def test_one_look_at_the_workers_is_one_miss_however_often_it_is_asked_for(
    launcher: "FleetRunLauncher", monkeypatch: pytest.MonkeyPatch
) -> None:
    run = started_run(launcher, "busy")
    look_each_time(monkeypatch)
    monkeypatch.setattr(queueing, "LOOK_SECONDS", 3600.0)
    checks = [launcher.check_run_worker_health(run) for _ in range(2 * MOST_MISSES)]
    assert {check.status for check in checks} == {WorkerStatus.RUNNING}
    assert checks[-1].msg == f"no worker has it: look 1 of {MOST_MISSES}"
    look_each_time(monkeypatch)
    looks = [launcher.check_run_worker_health(run).status for _ in range(MOST_MISSES - 1)]
    assert looks == [*[WorkerStatus.RUNNING] * (MOST_MISSES - 2), WorkerStatus.FAILED]


def test_a_run_is_not_given_up_because_the_broker_is_away(
    launcher: "FleetRunLauncher", broker: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_each_time(monkeypatch)
    run = started_run(launcher, "unknown")
    launcher.check_run_worker_health(run)  # a connection that it has fails otherwise than one that it has not
    broker.stop("redis")
    try:
        looks = [launcher.check_run_worker_health(run).status for _ in range(MOST_MISSES + 1)]
    finally:
        broker.start_redis()
    assert set(looks) == {WorkerStatus.RUNNING}


def test_the_resumed_run_is_what_the_workers_task_takes(
    launcher: "FleetRunLauncher", monkeypatch: pytest.MonkeyPatch
) -> None:
    run, sent = started_run(launcher, "before"), []
    monkeypatch.setattr(launcher, "_launch_celery_task_run", lambda **settings: sent.append(settings["task_signature"]))
    launcher.resume_run(ResumeRunContext(run, None, 1))
    CeleryRunLauncher.resume_run(launcher, ResumeRunContext(run, None, 1))
    ours, shipped = (signature.kwargs for signature in sent)
    task = create_resume_job_task(launcher.celery)
    inspect.signature(task.run).bind(**ours)
    with pytest.raises(TypeError):
        inspect.signature(task.run).bind(**shipped)


LONG_TASK = """
import time
from pathlib import Path
from patina_assets.fleet.queueing import worker_app

app = worker_app()
app.conf.broker_transport_options = {"visibility_timeout": 1}


@app.task
def wait_for(path):
    Path(f"{path}.begun").touch()
    while not Path(path).exists():
        time.sleep(0.05)
"""


def test_a_run_may_take_longer_than_the_broker_waits(services: Services) -> None:
    """Redis delivers again what is not acknowledged in time; nothing is left there once a worker has begun."""
    from redis import Redis

    services.start_redis()
    broker = services.environment["PATINA_FLEET_BROKER"]
    module, ends = services.folder / "long_task.py", services.folder / "ends"
    module.write_text(LONG_TASK)
    environment = {**os.environ, **services.environment}
    command = [sys.executable, "-P", "-m", "celery", "-A", "long_task", "worker"]
    command += ["--concurrency", "1", "--loglevel", "ERROR"]
    with subprocess.Popen(
        command, env=environment, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as worker:
        try:
            with Celery(broker=broker) as sender:
                sender.send_task("long_task.wait_for", [str(ends)], queue="dagster", routing_key="dagster.any")
            wait_until(Path(f"{ends}.begun").exists, "the task", LONG)
            with Redis.from_url(broker) as asked:
                wait_until(lambda: not asked.exists("unacked"), "its acknowledgement", LONG)
        finally:
            ends.touch()
            worker.terminate()


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
    services.start_daemon("quick_fleet")
    assert patina("fleet", "fetch").code == 0
    wait_until(lambda: "fresh" in states().values(), "a first build", LONG, LOOK_SECONDS)
    services.kill("one")
    services.start_worker("two")
    wait_until(lambda: set(states().values()) == {"fresh"}, "all builds, although one was killed", LONG, LOOK_SECONDS)
    # Redis and Postgres come back, and so does the work.
    services.stop("redis")
    services.stop("postgres")
    services.start_postgres()
    services.start_redis()
    repositories["beta"].write("src/new.py", "def brand_new():\n    return 'a comet'\n")
    head = repositories["beta"].commit("Follow the comet")
    assert patina("fleet", "fetch").code == 0
    wait_until(lambda: states()["beta"] == "fresh", "a build after the servers came back", LONG, LOOK_SECONDS)
    told = json.loads(patina("fleet", "status", "beta", "--json").out)["projects"]
    assert told[0]["built"] == head
    compare_with_one_run(services.folder / "kept", *(SUBJECTS.keys() - {"beta"}))
