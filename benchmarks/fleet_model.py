"""A model of a fleet's queue, from measured figures: how long a commit waits until it can be found, and what it costs.

    python benchmarks/fleet_model.py --repositories 10000 --commits 3000 --build-seconds 1.5 --first-seconds 2.2

A simulation of one working day: commits come by chance, most of them in eight hours; heads are looked at every five
minutes; the sensor asks for at most 50 new builds at each tick; a worker does one build at a time. A second commit
that comes before its repository is built is built with the first.
"""

import argparse
import heapq
import random
from dataclasses import dataclass

DAY, TICK, LOOK, PER_TICK = 86_400.0, 30.0, 300.0, 50
BUSY_FROM, BUSY_TO, BUSY_SHARE = 9 * 3600.0, 17 * 3600.0, 0.8


@dataclass(frozen=True)
class Outcome:
    """What a day was like.

    Attributes:
        waits: Seconds from a commit to the end of its build, sorted.
        builds: How many builds there were.
        busy: Share of the workers' time that was used, in the eight busy hours.
    """

    waits: list[float]
    builds: int
    busy: float

    def quantile(self, share: float) -> float:
        """Return the wait that so large a share of the commits does not exceed."""
        return self.waits[min(len(self.waits) - 1, int(share * len(self.waits)))]


def commits_of_a_day(repositories: int, commits: int, chance: random.Random) -> list[tuple[float, int]]:
    """Return times and repositories of commits; a few repositories get most of them (Zipf)."""
    weights = [1 / (rank + 10) for rank in range(repositories)]
    chosen = chance.choices(range(repositories), weights, k=commits)
    times = (
        chance.uniform(BUSY_FROM, BUSY_TO) if chance.random() < BUSY_SHARE else chance.uniform(0, DAY)
        for _ in range(commits)
    )
    return sorted(zip(times, chosen, strict=True))


def simulate(commits: list[tuple[float, int]], workers: int, seconds: float) -> Outcome:
    """Run a day.

    Args:
        commits: Times and repositories.
        workers: How many there are.
        seconds: How long a worker is busy with a build, by the clock.
    """
    free = [0.0] * workers
    arrived = iter([*commits, (float("inf"), -1)])
    at, repository = next(arrived)
    seen: dict[int, list[float]] = {}  # commits that a look at the heads has found, by repository
    waits: list[float] = []
    builds, busy, now = 0, 0.0, 0.0
    while at < float("inf") or seen:
        now += TICK
        looked = now // LOOK * LOOK
        while at <= looked:
            seen.setdefault(repository, []).append(at)
            at, repository = next(arrived)
        for name in list(seen)[:PER_TICK]:
            begin = max(now, heapq.heappop(free))
            heapq.heappush(free, begin + seconds)
            waits += [begin + seconds - moment for moment in seen.pop(name)]
            builds += 1
            busy += seconds if BUSY_FROM <= begin < BUSY_TO else 0.0
    return Outcome(sorted(waits), builds, busy / (workers * (BUSY_TO - BUSY_FROM)))


def main() -> None:
    """Print a table for some numbers of workers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repositories", type=int, default=10_000)
    parser.add_argument("--commits", type=int, default=3_000)
    parser.add_argument("--build-seconds", type=float, nargs="+", default=[1.5], help="of a worker, for one new commit")
    parser.add_argument(
        "--first-seconds", type=float, nargs="+", default=[2.2], help="the same, for a whole repository"
    )
    parser.add_argument("--run-seconds", type=float, default=1.5, help="of a worker, for what Dagster does beside it")
    parser.add_argument("--server-seconds", type=float, default=0.8, help="of Postgres and daemon, for one run")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 10, 100])
    parser.add_argument("--run-bytes", type=float, default=67_000, help="of the database, for one run")
    parser.add_argument("--seed", type=int, default=20)
    given = parser.parse_args()
    commits = commits_of_a_day(given.repositories, given.commits, random.Random(given.seed))
    print("build s  workers  builds  busy  wait p50 s  p95 s  p99 s  all anew h  servers at all anew  database MB/day")
    for build, first in zip(given.build_seconds, given.first_seconds, strict=True):
        for workers in given.workers:
            day = simulate(commits, workers, build + given.run_seconds)
            anew = max(
                given.repositories * (first + given.run_seconds) / workers,
                given.repositories / PER_TICK * TICK,
            )
            waits = "  ".join(f"{day.quantile(share):9.0f}" for share in (0.5, 0.95, 0.99))
            print(
                f"{build:7.1f}  {workers:7}  {day.builds:6}  {day.busy:4.0%}  {waits}  {anew / 3600:10.1f}  "
                f"{given.repositories * given.server_seconds / anew:13.0%} of a core  "
                f"{day.builds * given.run_bytes / 1e6:8.0f}"
            )


if __name__ == "__main__":
    main()
