"""Work on the parts of an array, several at once, each on one thread.

Where an array is divided does not depend on the machine, and BLAS divides nothing further: a result is the same to the
last bit on any number of processors.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import copy_context
from itertools import pairwise
from typing import Any

from threadpoolctl import threadpool_limits

from patina_resources.embedding.processors import processor_count

# More would make products that are too small to be quick; fewer would leave processors idle.
PARTS = 4

PartWork = Callable[[slice], Any]
Each = Callable[[int, PartWork], None]
"""`each(size, work)` calls `work` with every part of `range(size)`, and returns when all are done."""


def slices_of(size: int) -> list[slice]:
    """Return at most PARTS slices, none of them empty, that together are `range(size)`."""
    bounds = [size * part // PARTS for part in range(PARTS + 1)]
    return [slice(start, end) for start, end in pairwise(bounds) if start < end]


def one_by_one(size: int, work: PartWork) -> None:
    """Do the parts one after another, on this thread."""
    for part in slices_of(size):
        work(part)


def blas_on_one_thread() -> threadpool_limits:
    """Return a context in which BLAS keeps to one thread: over how many a sum is divided shows in its last bits."""
    return threadpool_limits(1, user_api="blas")


@contextmanager
def at_once(threads: int | None = None) -> Iterator[Each]:
    """Yield what does parts at once; BLAS keeps to one thread until the end.

    Args:
        threads: Most threads, this one included; None is one for each processor.
    """
    others = min(PARTS, threads or processor_count()) - 1
    with blas_on_one_thread(), ThreadPoolExecutor(max(others, 1), "part") as pool:

        def each(size: int, work: PartWork) -> None:
            todo = iter(slices_of(size))

            def share() -> None:
                for part in todo:
                    work(part)

            # What numpy does about an overflow belongs to the context of a thread.
            waiting = [pool.submit(copy_context().run, share) for _ in range(others)]
            try:
                share()
            finally:
                wait(waiting)
            for other in waiting:
                other.result()

        yield each
