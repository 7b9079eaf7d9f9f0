"""A fleet of generated repositories, on this machine or on real servers on loopback: cost, database, scaling, faults.

    python benchmarks/bench_fleet.py tick --projects 10000
    python benchmarks/bench_fleet.py rounds --projects 1000 --commits 300 --public GIT_FOLDER...    # `patina fleet run`
    python benchmarks/bench_fleet.py workers --projects 200 --workers 2 --kills 30
    python benchmarks/bench_fleet.py turns --projects 200 --workers 2               # one worker beside two, in turn

Figures are processor seconds where not said otherwise. Everything lies in a scratch folder, and is removed.
"""

import argparse
import json
import os
import signal
import sys
import time
from pathlib import Path

from fleet_repositories import scratch
from fleet_rounds import bench_rounds
from fleet_workers import bench_turns, bench_workers


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
                    result = due_sensor()(context)
                spent = time.process_time() - started
                assert isinstance(result, dg.SensorResult)  # noqa: S101 - as the sensor is written
                print(
                    f"tick {number + 1}: {len(result.run_requests or [])} requests, {spent:.2f} processor s", flush=True
                )


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("tick", "rounds", "workers", "turns"))
    parser.add_argument("--projects", type=int, default=200)
    parser.add_argument("--public", type=Path, nargs="*", default=[], help="git folders `OWNER+NAME/...`")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--commits", type=int, default=300, help="in a tenth of the projects, in all rounds")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kills", type=int, default=0)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the servers end with this process
    if arguments.what == "tick":
        bench_tick(arguments.projects)
    elif arguments.what == "rounds":
        changed = max(1, arguments.projects // 10)
        bench_rounds(arguments.projects, arguments.public, arguments.rounds, changed, arguments.commits)
    elif arguments.what == "turns":
        bench_turns(arguments.projects, arguments.workers)
    else:
        bench_workers(arguments.projects, arguments.workers, arguments.kills)


if __name__ == "__main__":
    main()
