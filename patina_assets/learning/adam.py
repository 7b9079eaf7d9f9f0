"""The optimizer of the training stage."""

import numpy as np

from patina_assets.learning.parts import Each, one_by_one
from patina_resources.arrays import Floats

# Adam's defaults (Kingma & Ba 2015, algorithm 1).
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8
# Floats updated at a time: the four arrays' blocks (256 KiB each) stay in a second-level cache for all passes.
ADAM_BLOCK = 65_536


class Adam:
    """Adam (Kingma & Ba 2015, arXiv:1412.6980), in place.

    Both moments are kept without the factors (1 - beta), which go into the step size and epsilon together with
    the bias correction: the same update with fewer passes over memory.
    """

    def __init__(self, parameters: Floats, learning_rate: float) -> None:
        """Start with zero moments for `parameters` [size]."""
        self._learning_rate = learning_rate
        self._mean = np.zeros_like(parameters)
        self._square = np.zeros_like(parameters)
        self._steps = 0

    def step(self, parameters: Floats, gradients: Floats, each: Each = one_by_one) -> None:
        """Move `parameters` [size] against `gradients` [size], which are used up as working space."""
        self._steps += 1
        mean_factor = (1 - BETA1) / (1 - BETA1**self._steps)
        square_factor = float(np.sqrt((1 - BETA2) / (1 - BETA2**self._steps)))
        step_size = self._learning_rate * mean_factor / square_factor
        epsilon = EPSILON / square_factor

        def move(part: slice) -> None:
            for start in range(part.start, part.stop, ADAM_BLOCK):
                block = slice(start, min(start + ADAM_BLOCK, part.stop))
                mean, square, work = self._mean[block], self._square[block], gradients[block]
                mean *= BETA1
                mean += work
                work *= work
                square *= BETA2
                square += work
                np.sqrt(square, out=work)
                work += epsilon
                np.divide(mean, work, out=work)
                work *= step_size
                parameters[block] -= work

        each(len(parameters), move)
