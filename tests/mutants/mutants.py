"""`make mutants`: changes what decides and writes, a little at a time, and counts how many changes the tests notice.

A change is tried in a process of its own, which is a fork of one that has imported pytest and the libraries: it loads
the changed source in the place of a module, and runs those of the tests that `table.py` names for it that run the
changed statement. No file is changed.

    python tests/mutants/mutants.py [--only PART] [--sample N] [--seed N] [--seconds N] [--list]
"""

import argparse
import importlib.abc
import importlib.util
import io
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import hypothesis  # noqa: F401 - what every fork would import again
import numpy  # noqa: F401
import onnxruntime  # noqa: F401
import pytest
import yaml  # noqa: F401
from changes import Change, changes
from covering import Covering, Only, Recorder
from table import EQUIVALENT, MODULES
from usearch.index import Index  # noqa: F401

ROOT = Path(__file__).parents[2]
WANTED = 0.97
# A changed condition may make a loop endless.
LONGEST_SECONDS, SLOWER = 30.0, 4.0
NOTICED, MISSED, ENDLESS = "noticed", "MISSED", "endless"


@dataclass(frozen=True)
class Mutant:
    """A change of a module, and the tests that should notice it."""

    path: str
    change: Change

    def text(self) -> str:
        """Return the place and the change in one line."""
        return f"{self.path}:{self.change.line}: {self.change.before}  ->  {self.change.after}"

    def is_equivalent(self) -> bool:
        """Return whether the change is known to change nothing that could be noticed."""
        return (self.path, self.change.text, self.change.after) in EQUIVALENT


class _Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives the changed source of one module to whoever imports it."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant
        self._name = mutant.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    def find_spec(self, fullname: str, *_: object) -> ModuleSpec | None:
        if fullname != self._name:
            return None
        file = ROOT / self._mutant.path
        folders = [str(file.parent)] if file.name == "__init__.py" else None
        return importlib.util.spec_from_file_location(fullname, file, loader=self, submodule_search_locations=folders)

    def exec_module(self, module: ModuleType) -> None:
        code = compile(self._mutant.change.source, str(ROOT / self._mutant.path), "exec", dont_inherit=True)
        exec(code, module.__dict__)


def tried(tests: Sequence[str], mutant: Mutant | None, seconds: float, *plugins: object) -> str:
    """Return what tests say in a fork, with a change or without one."""
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        os._exit(_run(tests, mutant, plugins))
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return MISSED if os.waitstatus_to_exitcode(status) == 0 else NOTICED
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return ENDLESS


def covered(path: str, seconds: float) -> Covering | None:
    """Return which tests run which lines of a module; None where they fail without any change."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "lines.json"
        if tried(MODULES[path], None, seconds, Recorder(ROOT / path, result)) != MISSED:
            return None
        return Covering((ROOT / path).read_text("utf-8"), json.loads(result.read_text()))


def outcome_of(mutant: Mutant, covering: Covering, seconds: float) -> str:
    """Return what becomes of a change."""
    tests = covering.tests(mutant.change.line)
    if tests is None:
        return tried(MODULES[mutant.path], mutant, seconds)
    return tried(MODULES[mutant.path], mutant, seconds, Only(tests)) if tests else MISSED


def _run(tests: Sequence[str], mutant: Mutant | None, plugins: Sequence[object]) -> int:
    """Run tests in this process, and return 0 if all of them pass."""
    os.chdir(ROOT)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # they take longer than most tests
    if mutant is not None:
        sys.meta_path.insert(0, _Changed(mutant))
        quiet = os.open(os.devnull, os.O_WRONLY)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        sys.stdout = sys.stderr = io.StringIO()
    for plugin in plugins:
        if isinstance(plugin, Recorder):
            plugin.start()
    arguments = ["-x", "-q", "-p", "no:cacheprovider", *tests]
    return 0 if pytest.main(arguments, plugins) == pytest.ExitCode.OK else 1


def sampled(only: str, count: int, seed: int) -> dict[str, list[Mutant]]:
    """Return some changes of each module, as many as its share of all, by a seed."""
    every = [
        Mutant(path, change) for path in MODULES if only in path for change in changes((ROOT / path).read_text("utf-8"))
    ]
    candidates = [mutant for mutant in every if not mutant.is_equivalent()]
    chosen = random.Random(seed).sample(candidates, min(count, len(candidates)))
    chosen.sort(key=lambda mutant: (mutant.path, mutant.change.line))
    print(f"{len(candidates)} changes, {len(every) - len(candidates)} more are equivalent; {len(chosen)} are tried")
    by_path: dict[str, list[Mutant]] = {}
    for mutant in chosen:
        by_path.setdefault(mutant.path, []).append(mutant)
    return by_path


def main() -> int:
    """Try a sample; return 0 if enough was noticed."""
    parser = argparse.ArgumentParser(description="Counts how many small changes of the code its tests notice.")
    parser.add_argument("--only", default="", help="modules whose path holds this")
    parser.add_argument("--sample", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=1500, help="begin nothing after this time")
    parser.add_argument("--list", action="store_true", help="print the sample, and run nothing")
    chosen = parser.parse_args()
    sample = sampled(chosen.only, chosen.sample, chosen.seed)
    if chosen.list:
        print("\n".join(mutant.text() for mutants in sample.values() for mutant in mutants))
        return 0
    begun = time.monotonic()
    counts = {NOTICED: 0, MISSED: 0, ENDLESS: 0}
    for path, mutants in sample.items():
        if time.monotonic() - begun > chosen.seconds:
            break
        start = time.monotonic()
        covering = covered(path, 600)
        if covering is None:
            print(f"{path}: its tests fail without any change: mend that first")
            return 2
        limit = LONGEST_SECONDS + SLOWER * (time.monotonic() - start)
        for mutant in mutants:
            if time.monotonic() - begun > chosen.seconds:
                break
            outcome = outcome_of(mutant, covering, limit)
            counts[outcome] += 1
            if outcome != NOTICED:
                print(f"{outcome}: {mutant.text()}", flush=True)
        print(f"{path}: {len(mutants)} tried, {time.monotonic() - start:.0f} s", flush=True)
    total = sum(counts.values())
    share = 1 - counts[MISSED] / max(total, 1)
    planned = sum(map(len, sample.values()))
    print(
        f"{total} of {planned} tried in {time.monotonic() - begun:.0f} s: {share:.1%} noticed, {counts[MISSED]} missed"
    )
    return 0 if share >= WANTED else 1


if __name__ == "__main__":
    sys.exit(main())
