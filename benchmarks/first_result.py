"""Import the search, ask once, then many times, each time something else; print what it took as a line of JSON.

python benchmarks/first_result.py PROJECT_FOLDER QUERIES
"""

import time

STARTED = time.perf_counter()

import json  # noqa: E402
import re  # noqa: E402
import resource  # noqa: E402
import sqlite3  # noqa: E402
import sys  # noqa: E402
from contextlib import closing  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402

from patina_assets.search.searcher import Searcher  # noqa: E402
from patina_resources.project.project import find_project  # noqa: E402

FIRST = "where do we decide what is stale"
FEWEST_WORDS, MOST_WORDS = 3, 8


def main() -> None:
    """Ask."""
    root = Path(sys.argv[1])
    searcher = Searcher(find_project(root))
    searcher.search(FIRST)
    first = time.perf_counter() - STARTED
    warm = []
    for query in queries(root, int(sys.argv[2])):
        started = time.perf_counter()
        searcher.search(query)
        warm.append(time.perf_counter() - started)
    warm.sort()
    figures = {
        "first": first,
        "p50": warm[len(warm) // 2] if warm else 0.0,
        "p99": warm[int(len(warm) * 0.99)] if warm else 0.0,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(figures))


def queries(root: Path, count: int) -> list[str]:
    """Return `count` different queries: words that stand one after another in a note, message, function or file.

    Args:
        root: The folder of a built project.
        count: At most as many as it has such runs of words.
    """
    (path,) = root.glob(".patina/data/embeddings/*/base.search.db")
    chance = np.random.default_rng(0)
    found: dict[str, None] = {}
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        (last,) = connection.execute("SELECT max(key) FROM item").fetchone()
        while len(found) < count:
            key = int(chance.integers(last + 1))
            kind, text = connection.execute("SELECT kind, text FROM item WHERE key = ?", (key,)).fetchone()
            words = re.findall(r"\w+", text)
            if kind != "state" and len(words) >= FEWEST_WORDS:
                length = min(int(chance.integers(FEWEST_WORDS, MOST_WORDS + 1)), len(words))
                start = int(chance.integers(len(words) - length + 1))
                found[" ".join(words[start : start + length])] = None
    return list(found)


if __name__ == "__main__":
    main()
