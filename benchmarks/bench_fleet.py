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
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from fleet_repositories import SEED, commit, fleet_file, make_repositories, patina, scratch, told_of
from fleet_workers import bench_workers


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
