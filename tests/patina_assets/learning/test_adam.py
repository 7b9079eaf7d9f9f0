"""Adam against algorithm 1 of Kingma & Ba 2015, in float64, at every size of a gradient."""

import numpy as np
import pytest

from patina_assets.learning.adam import Adam


@pytest.mark.parametrize("size", [1e-10, 1e-9, 1e-8, 1e-7, 1e-3, 1.0, 1e4])
def test_each_step_is_that_of_the_paper(size: float) -> None:
    """Beside epsilon (1e-8), what is added to the root decides how long a step is."""
    random = np.random.default_rng(3)
    found = random.standard_normal(200)
    expected, mean, square = found.copy(), np.zeros(200), np.zeros(200)
    adam = Adam(found, learning_rate=0.05)
    for step in range(1, 6):
        gradient = size * random.standard_normal(200)
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        change = 0.05 * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
        expected -= change
        before = found.copy()
        adam.step(found, gradient.copy())
        np.testing.assert_allclose(before - found, change, rtol=1e-6, atol=1e-15)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_a_gradient_of_zero_moves_nothing() -> None:
    parameters = np.ones(3)
    Adam(parameters, 0.1).step(parameters, np.zeros(3))
    assert parameters.tolist() == [1.0] * 3
