"""Build a project stage by stage in this process; print a line of JSON with time and memory for each.

    python benchmarks/build_stages.py PROJECT_FOLDER

It is `patina oxidize` without Dagster, so that each stage's peak can be told from the others'.
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from patina_assets.pipeline.runner import publish_lock, run_model, run_stage
from patina_assets.pipeline.workspace import open_workspace, survey
from patina_resources.project.project import find_project


def main() -> None:
    """Survey, build, survey again."""
    workspace = open_workspace(find_project(Path(sys.argv[1])))
    told("first look", lambda: survey(workspace))
    told("model", lambda: run_model(workspace, lambda _: None))
    for projection in workspace.projections:
        for stage in projection.stages:
            told(stage.place, partial(run_stage, workspace, stage.projection, stage.name, lambda _: None))
    publish_lock(workspace)
    told("second look", lambda: survey(workspace))


def told(what: str, work: Callable[[], object]) -> None:
    """Do some work and print what it took: seconds, CPU seconds, and peak memory in MiB."""
    with suppress(OSError):  # of Linux: the peak begins again
        Path("/proc/self/clear_refs").write_text("5")
    wall, processor = time.perf_counter(), time.process_time()
    work()
    figures = {
        "what": what,
        "seconds": round(time.perf_counter() - wall, 3),
        "cpu_seconds": round(time.process_time() - processor, 3),
        "peak_mib": round(peak_mib(), 1),
    }
    print(json.dumps(figures), flush=True)


def peak_mib() -> float:
    """Return the largest resident size since the peak was last reset; where it cannot be reset, of the whole run."""
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
