"""How much is tried: a little in `make test`, much in `make soak`."""

import os
import random

# How long the long form is: 1 is the whole, 0.1 a tenth; 0, the default, is the short form.
SOAK = float(os.environ.get("PATINA_SOAK") or 0)
SEED = 20_260


def amount(short: int, soak: int) -> int:
    """Return how much of something is tried: little in `make test`, much in `make soak`."""
    return max(short, round(SOAK * soak))


def moments(count: int, last: int, seed: int) -> list[int]:
    """Return `count` moments from 1 to `last`: one at random in each of as many equal parts."""
    rng = random.Random(SEED + seed)
    return [1 + int((part + rng.random()) * last / count) for part in range(count)]
