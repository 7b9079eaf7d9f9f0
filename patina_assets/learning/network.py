"""The network of a projection in training: forward pass and backpropagation, in any float dtype.

`Projection.apply` is the same function for use; here all that the way back needs is kept.
"""

from typing import NamedTuple

import numpy as np

from patina_assets.learning.parts import Each
from patina_resources.arrays import Floats

# Inputs have unit length, so an output this short is rounding error: its direction must not steer the weights.
NOISE_LENGTH = 1e-6


class Parameters(NamedTuple):
    """The network's weights, or the gradients of the loss in them; any float dtype.

    Attributes:
        w1: [hidden, input].
        b1: [hidden].
        w2: [output, hidden].
        b2: [output].
    """

    w1: Floats
    b1: Floats
    w2: Floats
    b2: Floats

    def flat(self) -> Floats:
        """Return a copy of all values as one vector."""
        return np.concatenate([values.ravel() for values in self])

    def views_of(self, flat: Floats) -> "Parameters":
        """Return views of `flat`, which is laid out as `flat()` does it, in the shapes of these parameters."""
        ends = np.cumsum([values.size for values in self])[:-1]
        parts = np.split(flat, ends)
        return Parameters(*(part.reshape(values.shape) for part, values in zip(parts, self, strict=True)))


class Activations(NamedTuple):
    """What the network holds for the different rows of one batch.

    Attributes:
        inputs: [rows, input].
        hidden: [rows, hidden], after ReLU.
        active: [rows, hidden], the derivative of ReLU: 1 where a unit lets its value through, else 0; backpropagation
            replaces it by the gradient in what goes into ReLU.
        outputs: [rows, output], unit length.
        inverse_lengths: [rows, 1], what gave the outputs unit length; 0 for rounding error.
        slopes: [rows, output], the gradient in the outputs; backpropagation replaces it by that before they were given
            unit length.
    """

    inputs: Floats
    hidden: Floats
    active: Floats
    outputs: Floats
    inverse_lengths: Floats
    slopes: Floats


class Buffers:
    """Arrays that all batches share: allocating them anew for each costs more than filling them."""

    def __init__(self, parameters: Parameters, rows: int) -> None:
        """Make room for batches of at most `rows` different rows."""
        dtype = parameters.w1.dtype
        (hidden, dims), output = parameters.w1.shape, len(parameters.b2)
        widths = (dims, hidden, hidden, output, 1, output)
        self._activations = Activations(*(np.empty((rows, width), dtype) for width in widths))
        self.flat_gradients = np.empty(sum(values.size for values in parameters), dtype)
        self.gradients = parameters.views_of(self.flat_gradients)

    def activations(self, rows: int) -> Activations:
        """Return room for `rows` rows."""
        return Activations(*(values[:rows] for values in self._activations))


def forward(parameters: Parameters, activations: Activations, each: Each) -> None:
    """Fill `activations` from its inputs, all but the slopes."""

    # Products of all rows with some units take less time than those of some rows with all units.
    def first_layer(units: slice) -> None:
        hidden, active = activations.hidden[:, units], activations.active[:, units]
        np.matmul(activations.inputs, parameters.w1[units].T, out=hidden)
        hidden += parameters.b1[units]
        np.greater(hidden, 0, out=active)
        hidden *= active

    def second_layer(rows: slice) -> None:
        outputs = activations.outputs[rows]
        np.matmul(activations.hidden[rows], parameters.w2.T, out=outputs)
        outputs += parameters.b2
        lengths = np.linalg.norm(outputs, axis=1, keepdims=True)
        np.divide(lengths > NOISE_LENGTH, np.maximum(lengths, NOISE_LENGTH), out=activations.inverse_lengths[rows])
        outputs *= activations.inverse_lengths[rows]

    each(len(parameters.b1), first_layer)
    each(len(activations.outputs), second_layer)


def backward(parameters: Parameters, activations: Activations, gradients: Parameters, each: Each) -> None:
    """Fill `gradients` from `activations`, as `forward` left them and with the slopes, by backpropagation."""
    _, _, active, outputs, inverse_lengths, slopes = activations
    # y = z / |z|: what points along y would only change the length, so it has no effect.
    slopes -= outputs * np.einsum("ij,ij->i", slopes, outputs)[:, None]
    slopes *= inverse_lengths
    np.sum(slopes, axis=0, out=gradients.b2)

    def hidden_units(units: slice) -> None:
        np.matmul(slopes.T, activations.hidden[:, units], out=gradients.w2[:, units])
        hidden_slopes = active[:, units]
        hidden_slopes *= slopes @ parameters.w2[:, units]
        np.matmul(hidden_slopes.T, activations.inputs, out=gradients.w1[units])
        np.sum(hidden_slopes, axis=0, out=gradients.b1[units])

    each(len(parameters.b1), hidden_units)
