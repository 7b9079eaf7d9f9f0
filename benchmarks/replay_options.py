"""What the replays (`bench_drift.py`, `bench_commit_replay.py`) are asked on the command line, and what they wrote."""

import argparse
import json
from pathlib import Path

from drift_report import Line


def replay_parser(
    description: str | None, inputs: tuple[str, ...], every: int
) -> tuple[argparse.ArgumentParser, argparse.ArgumentParser]:
    """Return the parser of `replay INPUT ... FOLDER` and `report FOLDER ...`, and that of `replay`, for more options.

    Args:
        description: What `--help` says.
        inputs: Names of the paths that are replayed.
        every: At every so many steps the weights are trained anew, unless another number is asked for.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    replay = commands.add_parser("replay")
    for name in (*inputs, "folder"):
        replay.add_argument(name, type=Path)
    replay.add_argument("--every", type=int, default=every, help="train anew at every so many steps only")
    replay.add_argument("--layers", type=int, nargs=2, default=[512, 128])
    report = commands.add_parser("report")
    report.add_argument("folders", nargs="+", type=Path)
    report.add_argument("--plot", type=Path)
    return parser, replay


def lines_of(file: Path) -> list[Line]:
    """Return what a replay wrote."""
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]
