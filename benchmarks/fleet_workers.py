"""A fleet on workers, with real servers on loopback: cost, database and faults."""

import os
import random
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fleet_repositories import SEED, commit_broken, fleet_file, make_repositories, patina, scratch, told_of

sys.path[:0] = [str(Path(__file__).parents[1] / "deploy"), str(Path(__file__).parents[1] / "tests" / "support")]

from loopback import Services, wait_until  # noqa: E402

LONG = 3600.0
# The definitions as they are shipped, but for the sensor, which looks sooner: workers are compared, not its patience.
QUICK = "from patina_assets.fleet.definitions import fleet_definitions\n\ndefs = fleet_definitions(tick_seconds=5)\n"


@contextmanager
def servers(folder: Path, file: Path, workers: int) -> Iterator[Services]:
    """Yield servers that are asked for all of a fleet's builds; no worker is there yet, and all are ended."""
    modules = os.pathsep.join([*sys.path, str(folder / "services")])  # Dagster takes the first place away
    given = {"PATINA_FLEET": str(file), "PATINA_HOME": str(folder / "home"), "PYTHONPATH": modules}
    services = Services(folder / "services", given)
    (folder / "services" / "quick_fleet.py").write_text(QUICK)
    settings = folder / "services" / "dagster_home" / "dagster.yaml"
    settings.write_text(settings.read_text().replace("max_concurrent_runs: 2", f"max_concurrent_runs: {workers}"))
    (folder / "services").chmod(0o755)
    os.environ |= services.environment
    try:
        services.start_postgres()
        services.start_redis()
        patina("fleet", "fetch")
        services.start_daemon("quick_fleet")
        yield services
    except TimeoutError:
        print(services.log("daemon")[-3000:], states_of(file))
        raise
    finally:
        services.stop_all()


def bench_turns(count: int, workers: int) -> None:
    """Build all in four parts, the first and the third by one worker, the others by all, and compare how fast.

    The first repositories of a part do not count: a worker takes seconds to start.
    """
    with scratch() as folder:
        os.environ["PATINA_HOME"] = str(folder / "home")
        (folder / "home").mkdir()
        make_repositories(folder, count, SEED)
        file = fleet_file(folder, "kept", workers)
        with servers(folder, file, workers) as services:
            wait_until(lambda: queued(services) >= count, "all requests", LONG)
            services.start_worker("worker0")
            for part in range(4):
                for number in range(1, workers):
                    name = f"worker{number}"
                    if part % 2:
                        services.start_worker(name)
                    elif name in services.processes:
                        services.stop(name)
                first, last = (part * count + count // 3) // 4, (part + 1) * count // 4
                began, ended = (when(file, least) for least in (first, last))
                working = workers if part % 2 else 1
                print(f"{working} workers: {(last - first) / (ended - began):.2f} repositories a second", flush=True)
            for name, process in services.processes.items():
                print(f"{name}: {session_seconds(process.pid) / count:.2f} processor s a repository")
            database_figures(services, count)


def when(file: Path, least: int) -> float:
    """Wait until so many repositories are built, and return the time."""
    wait_until(lambda: states_of(file).get("fresh", 0) >= least, f"{least} builds", LONG, 0.5)
    return time.monotonic()


def bench_workers(count: int, workers: int, kills: int) -> None:
    """Build all on workers, and with faults compare what comes out with what one machine builds."""
    with scratch() as folder:
        os.environ["PATINA_HOME"] = str(folder / "home")
        (folder / "home").mkdir()
        origins = make_repositories(folder, count, SEED)
        file = fleet_file(folder, "kept", workers)
        if kills:
            commit_broken(folder, origins[0])
        with servers(folder, file, workers) as services:
            wait_until(lambda: queued(services) >= count, "all requests", LONG)
            wall = time.monotonic()
            for number in range(workers):
                services.start_worker(f"worker{number}")

            def finished() -> bool:
                now = states_of(file)
                return now.get("fresh", 0) + now.get("failed", 0) == count

            if kills:
                hurt(services, workers, finished, kills)
            else:
                wait_until(finished, "all builds", LONG)
            spent = time.monotonic() - wall
            print(
                f"{workers} workers: {count} repositories in {spent:.1f} s by the clock, {states_of(file)}", flush=True
            )
            for name, process in services.processes.items():
                print(f"{name}: {session_seconds(process.pid) / count:.2f} processor s a repository")
            database_figures(services, count)
            for entry in told_of(file):
                if entry["failure"]:
                    print(f"{entry['name']}: {str(entry['failure'])[:150]}")
        if kills:
            compare(folder, count)


def hurt(services: Services, workers: int, until: Callable[[], bool], kills: int) -> None:
    """Kill workers at random moments, restart Redis and Postgres once each, until the work is done."""
    chance = random.Random(SEED)
    done, hit, restarted = 0, 0, set[str]()
    while not until():
        time.sleep(chance.uniform(5, 20))
        if done < kills:
            name = f"worker{chance.randrange(workers)}"
            at_work = is_at_work(name)
            services.kill(name)
            services.start_worker(name)
            done, hit = done + 1, hit + at_work
            print(f"killed {name} ({done} of {kills}); a run was under way in {hit} of them", flush=True)
        for service, after in (("redis", kills // 3), ("postgres", 2 * kills // 3)):
            if done >= after and service not in restarted:
                restarted.add(service)
                services.stop(service)
                time.sleep(3)
                services.start_redis() if service == "redis" else services.start_postgres()
                print(f"restarted {service}", flush=True)


def is_at_work(name: str) -> bool:
    """Return whether a worker says that it is at a run; one that is just being started says nothing."""
    from kombu.exceptions import OperationalError
    from redis.exceptions import RedisError

    from patina_assets.fleet.queueing import worker_app

    try:
        asked = worker_app().control.inspect(timeout=1, destination=[f"{name}@{socket.gethostname()}"]).active()
    except (OperationalError, RedisError, OSError):  # Redis has just been restarted
        return False
    return any((asked or {}).values())


def compare(folder: Path, count: int) -> None:
    """Build the same on one machine, and count the repositories whose artifacts are equal to the last byte."""
    os.environ.pop("PATINA_FLEET_DATABASE")
    calm = fleet_file(folder, "calm", 2)
    print(patina("fleet", "run", "--file", str(calm)).stdout[-90:])
    names = [f"r{number:05}" for number in range(1, count)]
    equal = sum(
        artifacts(folder / "kept" / "projects" / name) == artifacts(folder / "calm" / "projects" / name) != {}
        for name in names
    )
    print(f"byte-equal to one machine's: {equal} of {len(names)}")


def artifacts(root: Path) -> dict[str, bytes]:
    """Return the artifacts of a checkout."""
    from fleets import artifacts_of

    return artifacts_of(root)


def states_of(file: Path) -> dict[str, int]:
    """Return how many repositories stand how; asked in this process, so that looking costs the workers nothing."""
    from patina_assets.fleet.dues import due_builds
    from patina_assets.fleet.memory import fleet_memory
    from patina_resources.errors import PatinaError
    from patina_resources.fleet.reader import read_fleet
    from patina_resources.store.mothership import mothership

    fleet = read_fleet(file, mothership())
    try:
        standings = fleet_memory(fleet).standings()
    except PatinaError:  # the database is being restarted
        return {}
    due = due_builds(fleet.projects, standings)
    failed = sum(standings[name].failed == wanted for name, wanted in due.items())
    return {"fresh": len(fleet.projects) - len(due), "failed": failed, "to be built": len(due) - failed}


def queued(services: Services) -> int:
    """Return how many runs there are by now."""
    import psycopg2
    from sqlalchemy.engine import make_url

    url = make_url(services.environment["PATINA_FLEET_POSTGRES"])
    try:
        with psycopg2.connect(host=url.host, port=url.port, user=url.username, dbname=url.database) as connection:
            cursor = connection.cursor()
            cursor.execute("SELECT count(*) FROM runs WHERE pipeline_name = 'fleet_job'")
            return int((cursor.fetchone() or (0,))[0])
    except psycopg2.Error:
        return 0


def database_figures(services: Services, runs: int) -> None:
    """Print rows and bytes of Dagster's database for each run."""
    import psycopg2
    from sqlalchemy.engine import make_url

    url = make_url(services.environment["PATINA_FLEET_POSTGRES"])
    with psycopg2.connect(host=url.host, port=url.port, user=url.username, dbname=url.database) as connection:
        cursor = connection.cursor()
        for table in ("event_logs", "runs", "run_tags", "asset_event_tags", "job_ticks", "patina_fleet_projects"):
            cursor.execute(f"SELECT count(*), pg_total_relation_size('{table}') FROM {table}")  # noqa: S608 - names above
            rows, size = cursor.fetchone() or (0, 0)
            print(f"{table}: {rows} rows, {size} bytes; a run: {rows / runs:.1f} rows, {size / runs:.0f} bytes")
        cursor.execute(
            "SELECT count(*), avg(spent), max(spent) FROM (SELECT (body ->> 'end_timestamp')::float - "
            "(body ->> 'timestamp')::float AS spent FROM (SELECT tick_body::json AS body FROM job_ticks "
            "WHERE type = 'SENSOR') AS told) AS timed"
        )
        print("sensor ticks, seconds on average and at most: {}, {:.2f}, {:.2f}".format(*cursor.fetchone() or ()))
        cursor.execute("SELECT status, count(*) FROM runs GROUP BY 1")
        print(f"runs: {dict(cursor.fetchall())}")
        cursor.execute("SELECT count(*) FROM run_tags WHERE key = 'dagster/parent_run_id'")
        print(f"runs that replaced one that had failed: {cursor.fetchone()}")
        cursor.execute(
            "SELECT why, count(*) FROM (SELECT event::json #>> '{dagster_event,message}' AS why FROM event_logs "
            "WHERE dagster_event_type = 'PIPELINE_FAILURE') AS told GROUP BY 1"
        )
        print(f"why runs failed: {dict(cursor.fetchall())}")


def session_seconds(leader: int) -> float:
    """Return the processor seconds of all processes of a session, those that have ended included."""
    ticks = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader:
            ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")
