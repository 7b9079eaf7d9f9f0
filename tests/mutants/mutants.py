"""`make mutants`: changes what decides and writes, a little at a time, and counts how many changes the tests notice.

For each module, a process imports its tests, and forks: each fork gives a function its changed code, and runs those of
the tests that `table.py` names that run the changed statement. Where the change runs at import, the fork is one of a
process that has imported the libraries only, and loads the changed source in the place of the module. No file is
changed.

    python tests/mutants/mutants.py [--only PART] [--sample N] [--seed N] [--seconds N] [--list]
"""

import argparse
import gc
import importlib
import io
import json
import os
import random
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import _pytest.config
import dagster  # noqa: F401 - what every fork would import again
import hypothesis  # noqa: F401
import numpy  # noqa: F401
import onnxruntime  # noqa: F401
import pytest
import yaml  # noqa: F401
from changes import Change, changes
from covering import Covering, Recorder
from loading import ChangedModule, Functions
from table import EQUIVALENT, MODULES
from usearch.index import Index  # noqa: F401

for plugin in _pytest.config.default_plugins:
    importlib.import_module(f"_pytest.{plugin}")

ROOT = Path(__file__).parents[2]
WANTED = 0.97
# A changed condition may make a loop endless: what takes as much longer than all tests of the module counts as noticed.
PROCESSOR_SECONDS, SECONDS, SLOWER, MORE_MEMORY = 10, 600, 3, 8 << 30
OUTCOMES = MISSED, NOTICED, AT_IMPORT = "MISSED", "noticed", "at import"
ENDLESS = "endless"


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


def forked(task: Callable[[], str], processor_seconds: float, seconds: float) -> str:
    """Return which outcome a task returns in a fork, or that it was stopped after a time."""
    child = os.fork()
    if child == 0:
        outcome = NOTICED
        try:
            os.setpgid(0, 0)
            for what, most in ((resource.RLIMIT_CPU, int(processor_seconds)), (resource.RLIMIT_AS, _memory())):
                resource.setrlimit(what, (most, resource.RLIM_INFINITY))
            outcome = task()
        finally:
            _end(outcome)
    end = time.monotonic() + seconds
    ended, status = 0, 0
    while not ended and time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        time.sleep(0 if ended else 0.005)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # it, or what it has left behind
    if not ended:
        os.waitpid(child, 0)
    if not ended or (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU):
        return ENDLESS
    return OUTCOMES[os.WEXITSTATUS(status)] if os.WIFEXITED(status) else NOTICED


def _end(outcome: str) -> None:
    """End a fork at once, without what pytest does at its end."""
    os._exit(OUTCOMES.index(outcome))


def _memory() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + MORE_MEMORY


class Tries:
    """A plugin of pytest that tries changes in forks when the tests are collected; in this process it runs none."""

    def __init__(self, path: str, mutants: Sequence[Mutant], folder: Path, end: float) -> None:
        self._path, self._mutants, self._end = path, mutants, end
        self.recorded, self.outcomes = folder / "recorded.json", folder / "outcomes.json"
        self.recorder = Recorder(ROOT / path)

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Record which tests run what, then try all changes."""
        if forked(lambda: self._record(session), 600, 1200) != MISSED:
            return True
        self.recorder.stop()
        session.config.pluginmanager.unregister(self.recorder)
        covering = Covering((ROOT / self._path).read_text("utf-8"), **json.loads(self.recorded.read_text()))
        functions = Functions(ROOT / self._path)
        gc.freeze()  # or each fork would copy what it only looks through
        longest = sum(covering.seconds.values()) * SLOWER

        def tried(mutant: Mutant) -> str:
            if covering.tests(mutant.change.line) is None or not functions.change(mutant.change):
                return AT_IMPORT
            return _outcome(session, covering.chosen(session.items, mutant.change.line))

        outcomes = []
        script = os.getppid()
        for mutant in self._mutants:
            if time.monotonic() > self._end or os.getppid() != script:
                break
            outcomes.append(forked(lambda: tried(mutant), PROCESSOR_SECONDS + longest, SECONDS + 3 * longest))  # noqa: B023
        self.outcomes.write_text(json.dumps(outcomes))
        return True

    def _record(self, session: pytest.Session) -> str:
        outcome = _outcome(session, session.items)
        self.recorder.write(self.recorded, session.items)
        return outcome


class Only:
    """A plugin of pytest that runs the tests that may notice a change of a line, and ends the process."""

    def __init__(self, covering: Covering, line: int) -> None:
        self._covering, self._line = covering, line

    def pytest_runtestloop(self, session: pytest.Session) -> None:
        _end(_outcome(session, self._covering.chosen(session.items, self._line)))


def _outcome(session: pytest.Session, items: Sequence[pytest.Item]) -> str:
    """Run tests until one fails."""
    for item, following in zip(items, [*items[1:], None], strict=True):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed:
            return NOTICED
    return MISSED


def _run(tests: Sequence[str], folder: Path, *plugins: object) -> None:
    """Run pytest in this process, with plugins that say which tests it runs."""
    os.chdir(ROOT)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # they take longer than most tests
    pytest.main(
        ["-q", "--assert=plain", "--tb=native", "-p", "no:cacheprovider", f"--basetemp={folder / 'tests'}", *tests],
        plugins,
    )


def _quiet() -> None:
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    sys.stdout = sys.stderr = io.StringIO()


def outcomes_of(path: str, mutants: Sequence[Mutant], end: float) -> list[str] | None:
    """Return what becomes of changes of one module, as far as time allows; None where tests fail without a change."""
    with tempfile.TemporaryDirectory(prefix="mutants-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        tries = Tries(path, mutants, folder, end)

        def collected() -> str:
            _quiet()
            tries.recorder.start()
            _run(MODULES[path], folder, tries, tries.recorder)
            return MISSED

        forked(collected, 36_000, 36_000)
        if not tries.outcomes.exists():
            return None
        covering = Covering((ROOT / path).read_text("utf-8"), **json.loads(tries.recorded.read_text()))
        longest = sum(covering.seconds.values()) * SLOWER

        def imported(mutant: Mutant) -> str:
            _quiet()
            sys.meta_path.insert(0, ChangedModule(ROOT, path, mutant.change.source))
            _run(MODULES[path], folder, Only(covering, mutant.change.line))
            return NOTICED  # its tests cannot even be imported

        outcomes: list[str] = []
        for mutant, outcome in zip(mutants, json.loads(tries.outcomes.read_text()), strict=False):
            if time.monotonic() > end:
                break
            if outcome == AT_IMPORT:
                outcome = forked(lambda: imported(mutant), PROCESSOR_SECONDS + longest, SECONDS + 3 * longest)  # noqa: B023
            outcomes.append(outcome)
        return outcomes


def sampled(only: str, count: int, seed: int) -> dict[str, list[Mutant]]:
    """Return some changes of each module, as many as its share of all, by a seed."""
    every = [
        Mutant(path, change) for path in MODULES if only in path for change in changes((ROOT / path).read_text("utf-8"))
    ]
    candidates = [mutant for mutant in every if not mutant.is_equivalent()]
    chosen = random.Random(seed).sample(candidates, min(count, len(candidates)))
    chosen.sort(key=lambda mutant: (mutant.path, mutant.change.line))
    print(f"{len(candidates)} changes, {len(every) - len(candidates)} more are equivalent; {len(chosen)} are tried")
    # Where the time ends early, it is by chance which modules were tried.
    paths = random.Random(seed).sample(list(MODULES), len(MODULES))
    by_path: dict[str, list[Mutant]] = {path: [] for path in paths}
    for mutant in chosen:
        by_path[mutant.path].append(mutant)
    return {path: mutants for path, mutants in by_path.items() if mutants}


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
    counts: Counter[str] = Counter()
    for path, mutants in sample.items():
        start = time.monotonic()
        if start - begun > chosen.seconds:
            break
        outcomes = outcomes_of(path, mutants, begun + chosen.seconds)
        if outcomes is None:
            print(f"{path}: its tests fail without any change: mend that first")
            return 2
        counts.update(outcomes)
        for mutant, outcome in zip(mutants, outcomes, strict=False):
            if outcome != NOTICED:
                print(f"{outcome}: {mutant.text()}")
        print(f"{path}: {len(outcomes)} tried, {time.monotonic() - start:.0f} s", flush=True)
    total = counts.total()
    share = 1 - counts[MISSED] / max(total, 1)
    planned = sum(map(len, sample.values()))
    print(
        f"{total} of {planned} tried in {time.monotonic() - begun:.0f} s: {share:.1%} noticed,"
        f" {counts[ENDLESS]} of them by the time that they took, {counts[MISSED]} missed"
    )
    return 0 if share >= WANTED else 1


if __name__ == "__main__":
    sys.exit(main())
