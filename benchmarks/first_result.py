"""Import the search, ask once, then many times; print what it took as a line of JSON.

python benchmarks/first_result.py PROJECT_FOLDER QUERIES
"""

import time

STARTED = time.perf_counter()

import json  # noqa: E402
import resource  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

from patina_assets.search import Searcher  # noqa: E402
from patina_resources.project import find_project  # noqa: E402

QUERIES = (
    "where do we decide what is stale", "why was the schema changed", "retry after a timeout", "how are events read",
    "index of embeddings", "which model is the default", "error message for a missing file", "session notes parser",
)  # fmt: skip


def main() -> None:
    """Ask."""
    searcher = Searcher(find_project(Path(sys.argv[1])))
    searcher.search(QUERIES[0])
    first = time.perf_counter() - STARTED
    warm = []
    for number in range(int(sys.argv[2])):
        query = f"{QUERIES[number % len(QUERIES)]} {number}"
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


if __name__ == "__main__":
    main()
