"""`make bench`: every row of the table in docs/benchmarks.md, measured in one run beside its peers.

    python benchmarks/bench.py [--only ROW]... [--quick] [--threads N] [--eventlogs FOLDER] [--list]

Each row runs in a process of its own. Its figures go to benchmarks/results.json, from which docs/benchmarks.md and its
plots are written after each row; rows that were not run keep their figures. `--quick` uses small sizes and writes both
to the scratch folder instead, so that figures to be quoted are never replaced by a trial.
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from measure import THREAD_VARIABLES, Section, Setting
from report import write_report

ROOT = Path(__file__).resolve().parents[1]
# Row by name: the module that measures it.
ROWS = {
    "train": "row_train",
    "naive": "row_naive",
    "embed": "row_embed",
    "index": "row_index",
    "unchanged": "row_unchanged",
    "new-events": "row_new_events",
    "search": "row_search",
    "scale": "row_scale",
    "ten-million": "row_ten_million",
}


def main() -> None:
    """Run the rows that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=list(ROWS), help="a row; may be given several times")
    parser.add_argument("--quick", action="store_true", help="small sizes: to see that it works, not to quote")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="default: all cores")
    parser.add_argument("--eventlogs", type=Path, help="folder of real eventlogs (default: ../shared/data)")
    parser.add_argument("--scratch", type=Path, default=ROOT / ".bench", help="where eventlogs and models are made")
    parser.add_argument("--list", action="store_true", help="name the rows")
    parser.add_argument("--in-this-process", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(ROWS))
        return
    scratch = arguments.scratch.resolve()
    scratch.mkdir(parents=True, exist_ok=True)
    setting = Setting(scratch, arguments.eventlogs, arguments.quick)
    if arguments.in_this_process:
        (row,) = arguments.only
        section: Section = importlib.import_module(ROWS[row]).measure(setting)
        (scratch / f"{row}.json").write_text(json.dumps(asdict(section)))
        return
    # Read by the libraries when they are loaded, ours and the peers'.
    threads = {name: str(arguments.threads) for name in THREAD_VARIABLES}
    environment = os.environ | threads | {"PATINA_HOME": str(scratch / "home"), "PYTHONPATH": str(ROOT)}
    failed = [row for row in arguments.only or ROWS if not _run(row, setting, environment)]
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


def _run(row: str, setting: Setting, environment: Mapping[str, str]) -> bool:
    """Run a row in a process of its own and put its figures into the report; return whether it succeeded."""
    print(f"== {row}", flush=True)
    started = time.monotonic()
    options = ["--quick"] if setting.quick else []
    options += ["--eventlogs", str(setting.eventlogs)] if setting.eventlogs else []
    command = [sys.executable, __file__, "--in-this-process", "--only", row, "--scratch", str(setting.scratch)]
    if subprocess.run([*command, *options], env=environment, check=False).returncode:
        return False
    results = setting.scratch / "results.json" if setting.quick else ROOT / "benchmarks" / "results.json"
    known = json.loads(results.read_text()) if results.is_file() else {}
    known[row] = json.loads((setting.scratch / f"{row}.json").read_text())
    ordered = {name: known[name] for name in ROWS if name in known}
    results.write_text(json.dumps(ordered, indent=1, ensure_ascii=False) + "\n")
    write_report(ordered, setting.scratch if setting.quick else ROOT / "docs", trial=setting.quick)
    print(f"   {time.monotonic() - started:.0f} s", flush=True)
    return True


if __name__ == "__main__":
    main()
