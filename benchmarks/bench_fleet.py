"""A fleet of generated repositories, on this machine or on real servers on loopback: cost, database, scaling, faults.

    python benchmarks/bench_fleet.py tick --projects 10000
    python benchmarks/bench_fleet.py local --projects 200           # `patina fleet run`, then new commits in a tenth
    python benchmarks/bench_fleet.py workers --projects 200 --workers 2 --kills 30

Figures are processor seconds where not said otherwise. Everything lies in a scratch folder, and is removed.
"""

import argparse
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "deploy"), str(Path(__file__).parents[1] / "tests" / "support")]

from loopback import Services, wait_until  # noqa: E402

SEED = 20
WORDS = [
    "tenant",
    "request",
    "limit",
    "bracket",
    "parser",
    "cents",
    "ledger",
    "invoice",
    "token",
    "expiry",
    "cache",
    "page",
    "queue",
    "worker",
    "retry",
    "digest",
    "stream",
    "socket",
    "buffer",
    "colour",
    "font",
    "margin",
    "route",
    "ferry",
    "harbour",
    "glacier",
    "comet",
    "orbit",
    "lens",
    "prism",
    "valve",
    "piston",
]
LONG = 3600.0


def commands_environment(folder: Path) -> dict[str, str]:
    """Return the environment of git commands that write commits."""
    who = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in
           (("NAME", "Ada"), ("EMAIL", "ada@example.org"))}  # fmt: skip
    return {**os.environ, **who, "GIT_CONFIG_GLOBAL": os.devnull, "HOME": str(folder)}


def make_repositories(folder: Path, count: int, seed: int) -> list[Path]:
    """Return bare repositories of a few files and three commits each, all different."""
    made = []
    for number in range(count):
        path = folder / "origins" / f"r{number:05}.git"
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(path)], check=True)
        for _ in range(3):
            commit(folder, path, random.Random(f"{seed} {number} {_}"), number)
        made.append(path)
    return made


def commit(folder: Path, path: Path, chance: random.Random, number: int) -> str:
    """Add a commit to a repository by `git fast-import`, and return its subject."""
    subject = " ".join(chance.sample(WORDS, 5))
    name = "_".join(chance.sample(WORDS, 2))
    body = f'def {name}_{number}():\n    """{" ".join(chance.sample(WORDS, 9))}."""\n    return {number}\n'
    note = f"# {subject}\n\n{' '.join(chance.sample(WORDS, 20))}.\n"
    has_parent = (path / "refs" / "heads" / "main").exists()
    stream = (
        f"commit refs/heads/main\ncommitter Ada <ada@example.org> {1_700_000_000 + chance.randrange(10**6)} +0000\n"
    )
    stream += f"data {len(subject)}\n{subject}\n" + ("from refs/heads/main^0\n" if has_parent else "")
    for file, text in ((f"src/{name}.py", body), (f"docs/{name}.md", note)):
        stream += f"M 100644 inline {file}\ndata {len(text)}\n{text}\n"
    done = ["git", f"--git-dir={path}", "fast-import", "--quiet"]
    subprocess.run(done, input=stream.encode(), check=True, env=commands_environment(folder))
    return subject


def fleet_file(folder: Path, kept: str, workers: int) -> Path:
    """Write the fleet.toml of the repositories."""
    file = folder / f"{kept}.toml"
    file.write_text(
        f'[fleet]\nfolder = "{folder}/{kept}"\nworkers = {workers}\n[defaults]\nmodel = "english-static"\n'
        f'[[folders]]\npath = "{folder}/origins"\n'
    )
    return file


def patina(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command of Patina."""
    command = [sys.executable, "-P", "-m", "patina_assets.cli", *arguments]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)


def told_of(file: Path, **environment: str) -> list[dict[str, object]]:
    """Return what `patina fleet status` says."""
    done = patina("fleet", "status", "--json", "--file", str(file), **environment)
    return list(json.loads(done.stdout)["projects"])


@contextmanager
def scratch() -> Iterator[Path]:
    """Yield a folder that every user may enter, since Postgres does not run as root."""
    folder = Path(tempfile.mkdtemp(prefix="fleet-bench-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def processor() -> float:
    """Return the processor seconds of the children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measured(what: str, work: Callable[[], object]) -> None:
    """Print the wall clock and processor seconds of children that some work took."""
    wall, before = time.monotonic(), processor()
    work()
    print(f"{what}: {time.monotonic() - wall:.1f} s by the clock, {processor() - before:.1f} processor s", flush=True)


def bytes_of(folder: Path) -> int:
    """Return how many bytes a folder takes."""
    return int(subprocess.run(["du", "-sb", str(folder)], capture_output=True, text=True, check=True).stdout.split()[0])


def answers_right(projects: Path, asked: dict[str, str]) -> int:
    """Return how many commits are the first answer to their own subject, asked of their own repository."""
    right = 0
    for name, subject in asked.items():
        done = patina("scry", subject, "-k", "3", "--json", PATINA_PROJECT=str(projects / name))
        right += subject in done.stdout
    return right


def bench_local(count: int) -> None:
    """Build all by `patina fleet run`, with one and two at once; then commits in a tenth of them."""
    with scratch() as folder:
        os.environ["PATINA_HOME"] = str(folder / "home")
        (folder / "home").mkdir()
        origins = make_repositories(folder, count, SEED)
        one, two = fleet_file(folder, "one", 1), fleet_file(folder, "two", 2)
        for file in (one, two):
            measured(f"{file.stem} fetch {count}", lambda file=file: patina("fleet", "fetch", "--file", str(file)))  # type: ignore[misc]
            command = ("fleet", "run", "--no-fetch", "--file", str(file))
            measured(f"{file.stem} build {count}", lambda command=command: print(patina(*command).stdout[-90:]))  # type: ignore[misc]
        told = told_of(two)
        seconds = sorted(float(str(entry["seconds"])) for entry in told)
        print(f"processor s a repository: median {seconds[len(seconds) // 2]:.2f}, most {seconds[-1]:.2f}")
        print(f"states: { {str(entry['state']) for entry in told} }")
        print(f"bytes a repository: {bytes_of(folder / 'two' / 'projects') // count}")
        chosen = random.Random(SEED).sample(range(count), max(1, count // 10))
        asked = {}
        for spread in range(3 * len(chosen)):
            number = chosen[spread % len(chosen)]
            asked[f"r{number:05}"] = commit(folder, origins[number], random.Random(f"new {spread}"), number)
        measured("after commits in a tenth", lambda: print(patina("fleet", "run", "--file", str(two)).stdout[-90:]))
        measured("again", lambda: print(patina("fleet", "run", "--file", str(two)).stdout[-90:]))
        some = dict(list(asked.items())[:20])
        print(f"answers right: {answers_right(folder / 'two' / 'projects', some)} of {len(some)}")


def bench_tick(count: int) -> None:
    """Measure a tick of the sensor with so many repositories, of which some are due."""
    with scratch() as folder:
        os.environ["PATINA_HOME"] = str(folder / "home")
        (folder / "home").mkdir()
        entries = [{"full_name": f"team/r{n:05}", "clone_url": f"https://h.example/r{n:05}.git"} for n in range(count)]
        (folder / "list.json").write_text(json.dumps(entries))
        (folder / "fleet.toml").write_text(f'[fleet]\nfolder = "{folder}/kept"\n[[lists]]\nfile = "list.json"\n')
        os.environ["PATINA_FLEET"] = str(folder / "fleet.toml")
        import dagster as dg

        from patina_assets.fleet.building import wanted_of
        from patina_assets.fleet.definitions import PROJECTS, due_sensor
        from patina_assets.fleet.memory import fleet_memory
        from patina_resources.fleet.reader import read_fleet
        from patina_resources.store.mothership import mothership

        fleet = read_fleet(folder / "fleet.toml", mothership())
        memory = fleet_memory(fleet)
        with dg.DagsterInstance.local_temp(str(folder)) as instance:
            instance.add_dynamic_partitions(PROJECTS.name or "", [project.name for project in fleet.projects])
            memory._put(  # all at once
                [
                    {"name": project.name, "head": "1" * 40, "built": wanted_of(project, "1" * 40)}
                    for project in fleet.projects
                ]
            )
            for project in fleet.projects[:60]:
                memory.note_fetched(project.name, "2" * 40)
            for number in range(5):
                started = time.process_time()
                with dg.build_sensor_context(instance=instance) as context:
                    result = due_sensor(context)
                spent = time.process_time() - started
                print(
                    f"tick {number + 1}: {len(result.run_requests or [])} requests, {spent:.2f} processor s", flush=True
                )


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
        cursor.execute("SELECT status, count(*) FROM runs GROUP BY 1")
        print(f"runs: {dict(cursor.fetchall())}")


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


def hurt(services: Services, workers: int, until: Callable[[], bool], kills: int) -> None:
    """Kill workers at random moments, restart Redis and Postgres once each, until the work is done."""
    chance = random.Random(SEED)
    done, restarted = 0, set[str]()
    while not until():
        time.sleep(chance.uniform(5, 20))
        if done < kills:
            name = f"worker{chance.randrange(workers)}"
            services.kill(name)
            services.start_worker(name)
            done += 1
            print(f"killed {name} ({done} of {kills})", flush=True)
        for service, after in (("redis", kills // 3), ("postgres", 2 * kills // 3)):
            if done >= after and service not in restarted:
                restarted.add(service)
                services.stop(service)
                time.sleep(3)
                services.start_redis() if service == "redis" else services.start_postgres()
                print(f"restarted {service}", flush=True)


def artifacts(root: Path) -> dict[str, bytes]:
    """Return the artifacts of a checkout."""
    from fleets import artifacts_of

    return artifacts_of(root)


def bench_workers(count: int, workers: int, kills: int) -> None:
    """Build all on workers, and with faults compare what comes out with what one machine builds."""
    with scratch() as folder:
        os.environ["PATINA_HOME"] = str(folder / "home")
        (folder / "home").mkdir()
        origins = make_repositories(folder, count, SEED)
        file = fleet_file(folder, "kept", workers)
        if kills:
            commit_broken(folder, origins[0])
        services = Services(folder / "services", {"PATINA_FLEET": str(file), "PATINA_HOME": str(folder / "home")})
        settings = folder / "services" / "dagster_home" / "dagster.yaml"
        settings.write_text(settings.read_text().replace("max_concurrent_runs: 2", f"max_concurrent_runs: {workers}"))
        (folder / "services").chmod(0o755)
        os.environ |= services.environment
        try:
            services.start_postgres()
            services.start_redis()
            patina("fleet", "fetch")
            services.start_daemon()
            wait_until(lambda: queued(services) >= min(count, 50), "the first requests", 300)
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
        except TimeoutError:
            print(services.log("daemon")[-3000:], states_of(file))
            raise
        finally:
            services.stop_all()
        if kills:
            compare(folder, count)


def commit_broken(folder: Path, path: Path) -> None:
    """Give a repository a recipe that always fails."""
    text = "version: 99\n"
    stream = "commit refs/heads/main\ncommitter Ada <ada@example.org> 1700000000 +0000\ndata 6\nBroken\n"
    stream += f"from refs/heads/main^0\nM 100644 inline .patina/oxidize.yaml\ndata {len(text)}\n{text}\n"
    done = ["git", f"--git-dir={path}", "fast-import", "--quiet"]
    subprocess.run(done, input=stream.encode(), check=True, env=commands_environment(folder))


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


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("tick", "local", "workers"))
    parser.add_argument("--projects", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kills", type=int, default=0)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the servers end with this process
    if arguments.what == "tick":
        bench_tick(arguments.projects)
    elif arguments.what == "local":
        bench_local(arguments.projects)
    else:
        bench_workers(arguments.projects, arguments.workers, arguments.kills)


if __name__ == "__main__":
    main()
