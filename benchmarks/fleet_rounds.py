"""A first build of a fleet, then rounds of commits in some repositories, each asked about its new commit."""

import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from fleet_repositories import SEED, commit, fleet_file, make_repositories, patina, scratch, told_of

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

STEPS_OF_A_ROUND = 5
COMPARED = 20


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


def bench_rounds(count: int, public: Sequence[Path], rounds: int, changed: int, commits: int) -> None:
    """Build all; then in each round commit to some, build, and ask each of them about its new commit.

    Args:
        count: How many repositories are generated.
        public: Git folders of real repositories: they begin some commits before their newest.
        rounds: How many rounds of new commits.
        changed: In how many of the generated repositories.
        commits: How many commits to these in all.
    """
    with scratch() as folder:
        os.environ["PATINA_HOME"] = str(folder / "home")
        (folder / "home").mkdir()
        origins = make_repositories(folder, count, SEED)
        real = {_name(path): _cloned(folder, path, rounds * STEPS_OF_A_ROUND) for path in public}
        file = fleet_file(folder, "kept", 1)
        measured("fetch", lambda: patina("fleet", "fetch", "--file", str(file)))
        measured("first build", lambda: _run(file))
        seconds = _seconds(file)
        _print_costs("first build", seconds, real)
        print(f"bytes a generated repository: {_bytes(folder, seconds.keys() - real.keys())}")
        for name in real:
            print(f"{name}: {seconds[name]:.1f} processor s, {bytes_of(folder / 'kept' / 'projects' / name)} bytes")
        chosen = random.Random(SEED).sample(range(count), changed)
        numbers = [chosen[at % changed] for at in range(commits)]
        each = commits // rounds
        wrong = []
        for at in range(rounds):
            asked = {
                f"r{number:05}": commit(folder, origins[number], random.Random(f"new {at} {number}"), number)
                for number in numbers[at * each : (at + 1) * each]
            }
            for name, steps in real.items():
                asked[name] = _advanced(folder / "origins" / f"{name}.git", steps, at)
            before = _built_at(file)
            measured(f"round {at + 1}: {len(asked)} changed", lambda: _run(file))
            after = _built_at(file)
            ran = {name for name in after if after[name] != before.get(name)}
            extra, missed = sorted(ran - asked.keys()), sorted(asked.keys() - ran)
            print(f"round {at + 1}: {len(ran)} were run; not changed {extra}, changed and not run {missed}")
            _print_costs(f"round {at + 1}", {name: each for name, each in _seconds(file).items() if name in ran}, real)
            wrong += _wrong_answers(folder / "kept" / "projects", asked)
            print(f"round {at + 1}: questions {len(asked)}, wrong so far {wrong}", flush=True)
        measured("nothing new", lambda: _run(file))
        print(f"states: { {str(entry['state']) for entry in told_of(file)} }")
        _compare(folder, [f"r{number:05}" for number in chosen[:COMPARED]], "changed")
        others = [number for number in range(count) if number not in chosen]
        _compare(folder, [f"r{number:05}" for number in others[:COMPARED]], "unchanged")
        _compare(folder, list(real), "public")


def _run(file: Path) -> None:
    done = patina("fleet", "run", "--file", str(file))
    print(done.stdout.splitlines()[-1] if done.stdout else done.stderr[-500:], flush=True)


def _name(path: Path) -> str:
    """Return the name of a repository, of `owner+name/repo`."""
    return path.parent.name.rpartition("+")[2]


def _cloned(folder: Path, path: Path, back: int) -> list[str]:
    """Clone a repository into the origins, so many commits back; return its commits from there on."""
    place = folder / "origins" / f"{_name(path)}.git"
    subprocess.run(["git", "clone", "-q", "--bare", "--single-branch", "--no-tags", str(path), str(place)], check=True)
    told = ["git", f"--git-dir={place}", "rev-list", "--first-parent", f"--max-count={back + 1}", "HEAD"]
    steps = subprocess.run(told, capture_output=True, text=True, check=True).stdout.split()[::-1]
    _move(place, steps[0])
    return steps


def _advanced(place: Path, steps: Sequence[str], at: int) -> str:
    """Move a clone on, and return the subject of its newest commit."""
    head = steps[min((at + 1) * STEPS_OF_A_ROUND, len(steps) - 1)]
    _move(place, head)
    told = ["git", f"--git-dir={place}", "log", "-1", "--format=%s", head]
    return subprocess.run(told, capture_output=True, text=True, check=True).stdout.strip()


def _move(place: Path, head: str) -> None:
    subprocess.run(["git", f"--git-dir={place}", "update-ref", "HEAD", head], check=True)


def _seconds(file: Path) -> dict[str, float]:
    return {str(entry["name"]): float(str(entry["seconds"])) for entry in told_of(file)}


def _built_at(file: Path) -> dict[str, tuple[object, object]]:
    return {str(entry["name"]): (entry["built"], entry["ran_at"]) for entry in told_of(file)}


def _print_costs(what: str, seconds: Mapping[str, float], real: Mapping[str, object]) -> None:
    for kind, costs in (
        ("generated", sorted(cost for name, cost in seconds.items() if name not in real)),
        ("public", sorted(cost for name, cost in seconds.items() if name in real)),
    ):
        if costs:
            print(
                f"{what}, {len(costs)} {kind}: processor s each: least {costs[0]:.2f}, "
                f"median {costs[len(costs) // 2]:.2f}, mean {sum(costs) / len(costs):.2f}, most {costs[-1]:.2f}"
            )


def _bytes(folder: Path, names: set[str]) -> int:
    some = sorted(names)[:50]
    return sum(bytes_of(folder / "kept" / "projects" / name) for name in some) // len(some)


def _wrong_answers(projects: Path, asked: Mapping[str, str]) -> list[str]:
    """Return the repositories whose first answer to the subject of the newest commit is not of this commit."""
    from patina_assets.search.searcher import Searcher
    from patina_resources.project.project import project_at

    wrong = []
    for name, subject in asked.items():
        texts = [repr(hit) for hit in Searcher(project_at(projects / name)).answer(subject, None, 3).hits]
        if not texts or subject not in texts[0]:
            place = "later" if any(subject in text for text in texts) else "not among three"
            wrong.append(f"{name}: {subject}: {place}")
    return wrong


def _compare(folder: Path, names: Sequence[str], what: str) -> None:
    """Build some as they are now, in one go and alone, and count those whose artifacts are equal to the last byte."""
    from fleets import artifacts_of

    file = folder / f"alone-{what}.toml"
    file.write_text(
        f'[fleet]\nfolder = "{folder}/alone-{what}"\nworkers = 1\n[defaults]\nmodel = "english-static"\n'
        + "".join(f'[[repositories]]\npath = "{folder}/origins/{name}.git"\n' for name in names)
    )
    _run(file)
    different = []
    for name in names:
        one, other = (artifacts_of(folder / kept / "projects" / name) for kept in ("kept", f"alone-{what}"))
        if not one or one != other:
            different.append((name, sorted(key for key in one.keys() | other.keys() if one.get(key) != other.get(key))))
    print(f"{what}: byte-equal to a single build: {len(names) - len(different)} of {len(names)}; others {different}")
