"""How many processors this process may use."""

import os


def processor_count() -> int:
    """Return how many processors this process may use, at least 1: those it is bound to, where the system tells."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
