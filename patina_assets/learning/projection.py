"""A projection: the two-layer network that turns base embeddings into one projection's search vectors."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, deserialize
from safetensors.numpy import save

from patina_resources.arrays import Float32
from patina_resources.errors import PatinaError

# Of `whitened_pca`: how much directions are evened out, and the share of the largest spread below which none is
# enlarged further.
WHITENING_POWER = 0.25
SMALLEST_SPREAD = 1e-3
# Shorter outputs are not stretched to unit length: nothing but rounding would be left of their direction.
SMALLEST_LENGTH = 1e-12
ROWS_PER_BLOCK = 4096
# What other readers of this file format expect beside the dimensions.
ARCHITECTURE = "mlp-2layer"
CREATED_BY = "patina-oxidize"
METADATA_KEY = "patina"
HEADER_LENGTH_BYTES = 8


@dataclass(frozen=True, eq=False)
class Projection:
    """The network `normalize(w2 · ReLU(w1 · x + b1) + b2)`.

    Attributes:
        w1: float32 [hidden, input].
        b1: float32 [hidden].
        w2: float32 [output, hidden].
        b2: float32 [output].
    """

    w1: Float32
    b1: Float32
    w2: Float32
    b2: Float32

    @property
    def input_dims(self) -> int:
        """Length of a base embedding."""
        return int(self.w1.shape[1])

    @property
    def hidden_dims(self) -> int:
        """Number of hidden units."""
        return int(self.w1.shape[0])

    @property
    def output_dims(self) -> int:
        """Length of a projected vector."""
        return int(self.w2.shape[0])

    def apply(self, vectors: Float32) -> Float32:
        """Return the projected vectors, float32 [n, output], rows of unit length.

        An all-zero vector has no direction and stays all zero. Works in blocks of rows, so that beside the
        result it needs the same memory for any n.

        Args:
            vectors: float32 [n, input].

        Raises:
            PatinaError: `vectors` has another width than the projection's input.
        """
        self._check_width(vectors)
        projected = np.empty((len(vectors), self.output_dims), dtype=np.float32)
        for start in range(0, len(vectors), ROWS_PER_BLOCK):
            block = slice(start, start + ROWS_PER_BLOCK)
            self._apply_block(vectors[block], projected[block])
        return projected

    def apply_one(self, vector: Float32) -> Float32:
        """Return one projected vector as `apply` does, float32 [output], but for rounding.

        A product of one row is too small to share: the threads of BLAS would wait for each other ten times as long.

        Args:
            vector: float32 [input].

        Raises:
            PatinaError: `vector` has another length than the projection's input.
        """
        self._check_width(vector[None, :])
        if not vector.any():
            return np.zeros(self.output_dims, np.float32)
        hidden = np.maximum(np.einsum("ij,j->i", self.w1, vector) + self.b1, 0)
        out = np.einsum("ij,j->i", self.w2, hidden) + self.b2
        projected: Float32 = out / max(float(np.linalg.norm(out)), SMALLEST_LENGTH)
        return projected

    def _check_width(self, vectors: Float32) -> None:
        if vectors.ndim != 2 or vectors.shape[1] != self.input_dims:
            raise PatinaError(
                f"this projection takes vectors [n, {self.input_dims}], got {list(vectors.shape)}: "
                f"it was trained on another model's embeddings, run `patina oxidize`"
            )

    def _apply_block(self, vectors: Float32, out: Float32) -> None:
        hidden = vectors @ self.w1.T
        hidden += self.b1
        np.maximum(hidden, 0, out=hidden)
        np.matmul(hidden, self.w2.T, out=out)
        out += self.b2
        out[~vectors.any(axis=1)] = 0
        lengths = np.linalg.norm(out, axis=1, keepdims=True)
        out /= np.maximum(lengths, SMALLEST_LENGTH)


def pca_identity(vectors: Float32, hidden: int, output: int, seed: int) -> Projection:
    """Return the projection that is exactly the uncentred PCA of `vectors`: where training starts.

    With D the top principal directions, `w1 = [D; -D; random]` and `w2 = [Q, -Q, 0]`: since
    ReLU(Dx) - ReLU(-Dx) = Dx, the output is QDx. Q is the identity if there are as many directions as outputs.
    A direction takes two hidden units and there are at most `input` of them, so D has
    min(output, input, hidden // 2) rows; with fewer directions than outputs Q has random orthonormal columns,
    which keeps all cosines and leaves no output dead. The random rows of `w1` are about as long as a
    direction; they do nothing until training gives them a weight in `w2`.

    Args:
        vectors: float32 [n, input].
        hidden: Number of hidden units, at least 2.
        output: Length of a projected vector, at least 1.
        seed: Seed of the random parts.

    Raises:
        PatinaError: A layer is too small to hold one direction.
    """
    if hidden < 2 or output < 1:
        raise PatinaError(f"layers [{hidden}, {output}]: expected at least 2 hidden units and 1 output")
    rng = np.random.default_rng(seed)
    dims = vectors.shape[1]
    directions = principal_directions(vectors, min(output, hidden // 2))
    count = len(directions)
    mixing = np.eye(output) if count == output else np.linalg.qr(rng.standard_normal((output, count))).Q
    spare = hidden - 2 * count
    w1 = np.concatenate([directions, -directions, rng.standard_normal((spare, dims)) / np.sqrt(dims)])
    w2 = np.concatenate([mixing, -mixing, np.zeros((output, spare))], axis=1)
    return Projection(
        w1=w1.astype(np.float32),
        b1=np.zeros(hidden, dtype=np.float32),
        w2=w2.astype(np.float32),
        b2=np.zeros(output, dtype=np.float32),
    )


def whitened_pca(vectors: Float32, hidden: int, output: int, seed: int) -> Projection:
    """Return a projection that centres the vectors and evens out their principal directions a little.

    It is `pca_identity` of the centred vectors, with each direction divided by (its standard deviation)^0.25; the
    first layer's bias takes the mean away. Common directions, which all texts of a project share, then weigh less
    (after Mu and Viswanath 2018, "All-but-the-Top"; the power was chosen by measuring, see docs/experiments.md).

    Args:
        vectors: float32 [n, input].
        hidden: Number of hidden units, at least 2.
        output: Length of a projected vector, at least 1.
        seed: Seed of the random parts.

    Raises:
        PatinaError: A layer is too small to hold one direction.
    """
    mean = vectors.mean(axis=0, dtype=np.float64)
    centred = (vectors - mean).astype(np.float32)
    plain = pca_identity(centred, hidden, output, seed)
    count = min(output, vectors.shape[1], hidden // 2)
    components = centred @ plain.w1[:count].T
    spread = np.linalg.norm(components.astype(np.float64), axis=0)
    weight = np.maximum(spread / max(spread.max(initial=0.0), SMALLEST_LENGTH), SMALLEST_SPREAD) ** -WHITENING_POWER
    # Outputs keep about unit length, which is what the learning rate is meant for.
    weight /= max(float(np.linalg.norm(components * weight, axis=1).mean()), SMALLEST_LENGTH)
    w1, b1 = plain.w1.astype(np.float64), np.zeros(hidden)
    w1[: 2 * count] *= np.concatenate([weight, weight])[:, None]
    b1[: 2 * count] = -w1[: 2 * count] @ mean
    return Projection(w1.astype(np.float32), b1.astype(np.float32), plain.w2, plain.b2)


def random_network(dims: int, hidden: int, output: int, seed: int) -> Projection:
    """Return an untrained network: what a projection of the same shape is worth without any learning.

    Weights are normal with variance 2 / inputs in the first layer (He et al. 2015, Delving Deep into Rectifiers) and
    1 / inputs in the second; biases are zero.

    Args:
        dims: Length of a base embedding.
        hidden: Number of hidden units.
        output: Length of a projected vector.
        seed: Seed of the weights.
    """
    random = np.random.default_rng(seed)
    return Projection(
        w1=(random.standard_normal((hidden, dims), np.float32) * np.sqrt(2 / dims)).astype(np.float32),
        b1=np.zeros(hidden, np.float32),
        w2=(random.standard_normal((output, hidden), np.float32) / np.sqrt(hidden)).astype(np.float32),
        b2=np.zeros(output, np.float32),
    )


def principal_directions(vectors: Float32, count: int) -> NDArray[np.float64]:
    """Return the top uncentred principal directions, float64 [min(count, input), input], orthonormal rows.

    Strongest first; the sign is chosen so that the entry of largest magnitude is positive. Directions beyond
    the rank of `vectors` complete the orthonormal set.

    Args:
        vectors: float32 [n, input].
        count: How many directions.
    """
    dims = vectors.shape[1]
    gram = np.zeros((dims, dims))
    for start in range(0, len(vectors), ROWS_PER_BLOCK):
        block = vectors[start : start + ROWS_PER_BLOCK].astype(np.float64)
        gram += block.T @ block
    _, eigenvectors = np.linalg.eigh(gram)
    directions: NDArray[np.float64] = eigenvectors.T[::-1][: min(count, dims)]
    largest = np.abs(directions).argmax(axis=1, keepdims=True)
    signs: NDArray[np.float64] = np.sign(np.take_along_axis(directions, largest, axis=1))
    return directions * signs


def to_safetensors(projection: Projection, metadata: Mapping[str, str]) -> bytes:
    """Return the projection as a safetensors file; equal input gives equal bytes.

    The tensors are `w1.weight`, `w1.bias`, `w2.weight` and `w2.bias`, float32. The metadata strings are `architecture`,
    `input_dim`, `hidden_dim`, `output_dim` and `created_by`, and `patina` with `metadata` as JSON.
    """
    tensors = {
        "w1.weight": np.ascontiguousarray(projection.w1),
        "w1.bias": projection.b1,
        "w2.weight": np.ascontiguousarray(projection.w2),
        "w2.bias": projection.b2,
    }
    strings = {
        "architecture": ARCHITECTURE,
        "input_dim": str(projection.input_dims),
        "hidden_dim": str(projection.hidden_dims),
        "output_dim": str(projection.output_dims),
        "created_by": CREATED_BY,
        METADATA_KEY: json.dumps(dict(metadata), sort_keys=True),
    }
    return _with_metadata(save(tensors), strings)


def _with_metadata(file: bytes, strings: Mapping[str, str]) -> bytes:
    """Return a safetensors file with metadata, sorted: the library writes it in an order that changes from run to run.

    The file is the header's length (8 bytes, little-endian), the header (JSON, padded with spaces), the tensors.
    """
    tensors_at = HEADER_LENGTH_BYTES + int.from_bytes(file[:HEADER_LENGTH_BYTES], "little")
    header = {"__metadata__": dict(sorted(strings.items())), **json.loads(file[HEADER_LENGTH_BYTES:tensors_at])}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % HEADER_LENGTH_BYTES)
    return len(text).to_bytes(HEADER_LENGTH_BYTES, "little") + text + file[tensors_at:]


def from_safetensors(data: bytes, name: str) -> Projection:
    """Return the projection that `to_safetensors` wrote; its dimensions come from the tensors' shapes.

    Args:
        data: The whole file.
        name: What an error calls it, such as its path.

    Raises:
        PatinaError: Not a safetensors file, or its tensors are missing, not float32, not finite, or disagree.
    """
    try:
        found = dict(deserialize(data))  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise _damaged(name, f"not a readable safetensors file ({error})") from error
    w1 = _tensor(found, "w1.weight", 2, name)
    b1 = _tensor(found, "w1.bias", 1, name)
    w2 = _tensor(found, "w2.weight", 2, name)
    b2 = _tensor(found, "w2.bias", 1, name)
    hidden, output = w1.shape[0], w2.shape[0]
    if b1.shape != (hidden,) or w2.shape[1] != hidden or b2.shape != (output,):
        shapes = ", ".join(str(list(tensor.shape)) for tensor in (w1, b1, w2, b2))
        raise _damaged(name, f"shapes of w1.weight, w1.bias, w2.weight, w2.bias do not agree: {shapes}")
    return Projection(w1, b1, w2, b2)


def _tensor(found: Mapping[str, Mapping[str, Any]], tensor: str, ndim: int, name: str) -> Float32:
    if tensor not in found:
        raise _damaged(name, f"tensor {tensor} is missing")
    shape, dtype, data = (found[tensor][key] for key in ("shape", "dtype", "data"))
    if dtype != "F32":
        raise _damaged(name, f"tensor {tensor} is {dtype}, expected F32")
    if not isinstance(shape, list) or len(shape) != ndim or 0 in shape:
        raise _damaged(name, f"tensor {tensor} has shape {shape}, expected {ndim} dimensions of at least 1")
    values = np.frombuffer(data, dtype="<f4").reshape(shape)
    if not np.isfinite(values).all():
        raise _damaged(name, f"tensor {tensor} holds values that are not finite")
    return values


def _damaged(name: str, problem: str) -> PatinaError:
    return PatinaError(f"{name}: {problem}: expected trained weights, run `patina oxidize` to build them again")
