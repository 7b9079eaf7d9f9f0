"""Projections: the network itself, its PCA start, and its two file formats."""

import json
import struct
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from safetensors import safe_open
from safetensors.numpy import load, save

from patina_assets.learning.projection import (
    Projection,
    from_safetensors,
    pca_identity,
    principal_directions,
    to_safetensors,
    whitened_pca,
)
from patina_assets.learning.projection_onnx import to_onnx
from patina_resources.arrays import Float32
from patina_resources.errors import PatinaError


def random_vectors(n: int, dims: int, seed: int = 0) -> Float32:
    vectors = np.random.default_rng(seed).standard_normal((n, dims)) * np.linspace(1.5, 0.5, dims)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32)


def random_projection(dims: int, hidden: int, output: int, seed: int = 0) -> Projection:
    rng = np.random.default_rng(seed)
    shapes = [(hidden, dims), (hidden,), (output, hidden), (output,)]
    return Projection(*(rng.standard_normal(shape).astype(np.float32) for shape in shapes))


def cosines(vectors: Float32) -> Float32:
    units: Float32 = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return units @ units.T


class TestApply:
    def test_is_the_documented_network(self) -> None:
        projection, vectors = random_projection(5, 7, 3), random_vectors(11, 5)
        expected = np.maximum(vectors @ projection.w1.T + projection.b1, 0) @ projection.w2.T + projection.b2
        expected /= np.linalg.norm(expected, axis=1, keepdims=True)
        np.testing.assert_allclose(projection.apply(vectors), expected, atol=1e-6)
        assert (projection.input_dims, projection.hidden_dims, projection.output_dims) == (5, 7, 3)

    def test_more_rows_than_a_block(self) -> None:
        projection, vectors = random_projection(3, 6, 4), random_vectors(9_001, 3)
        whole = projection.apply(vectors)
        assert whole.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(whole, axis=1), 1, atol=1e-6)
        np.testing.assert_allclose(whole[-5:], projection.apply(vectors[-5:]), atol=1e-6)

    def test_zero_stays_zero_whatever_the_biases_are(self) -> None:
        vectors = random_vectors(3, 5)
        vectors[1] = 0
        projected = random_projection(5, 7, 3).apply(vectors)
        np.testing.assert_array_equal(projected[1], 0)
        np.testing.assert_allclose(np.linalg.norm(projected[[0, 2]], axis=1), 1, atol=1e-6)

    def test_one_vector_comes_out_as_its_row(self) -> None:
        projection, vectors = random_projection(5, 7, 3), random_vectors(4, 5)
        vectors[2] = 0
        for row, expected in enumerate(projection.apply(vectors)):
            one = projection.apply_one(vectors[row])
            assert one.dtype == np.float32
            np.testing.assert_allclose(one, expected, atol=1e-6)
        with pytest.raises(PatinaError, match=r"\[n, 5\], got \[1, 6\]"):
            projection.apply_one(random_vectors(1, 6)[0])

    def test_no_rows(self) -> None:
        assert random_projection(5, 7, 3).apply(np.empty((0, 5), np.float32)).shape == (0, 3)

    def test_another_width_names_both_numbers(self) -> None:
        with pytest.raises(PatinaError, match=r"\[n, 5\], got \[2, 6\]"):
            random_projection(5, 7, 3).apply(random_vectors(2, 6))


class TestPcaIdentity:
    @pytest.mark.parametrize(
        ("n", "dims", "hidden", "output"),
        [(60, 12, 20, 5), (60, 12, 24, 12), (60, 12, 48, 20), (6, 12, 24, 10), (60, 12, 9, 8), (60, 12, 31, 5)],
        ids=["fewer-outputs", "square", "more-outputs", "few-vectors", "small-hidden", "spare-hidden"],
    )
    def test_start_is_the_pca(self, n: int, dims: int, hidden: int, output: int) -> None:
        vectors = random_vectors(n, dims)
        directions = np.linalg.svd(vectors.astype(np.float64))[2][: min(output, dims, hidden // 2)]
        start = pca_identity(vectors, hidden, output, seed=3)
        assert (start.input_dims, start.hidden_dims, start.output_dims) == (dims, hidden, output)
        np.testing.assert_allclose(cosines(start.apply(vectors)), cosines(vectors @ directions.T), atol=1e-5)

    def test_keeps_the_base_cosines_if_the_rank_fits(self) -> None:
        vectors = random_vectors(40, 4) @ random_vectors(4, 30, seed=1)
        projected = pca_identity(vectors, 16, 6, seed=0).apply(vectors)
        np.testing.assert_allclose(cosines(projected), cosines(vectors), atol=1e-5)

    def test_no_output_is_dead_with_more_outputs_than_inputs(self) -> None:
        vectors = random_vectors(40, 4)
        projected = pca_identity(vectors, 32, 9, seed=0).apply(vectors)
        assert (np.abs(projected).max(axis=0) > 0.01).all()

    def test_directions_have_one_sign_and_are_ordered(self) -> None:
        vectors = random_vectors(200, 6)
        directions = principal_directions(vectors, 6)
        energies = ((vectors @ directions.T) ** 2).sum(axis=0)
        assert (np.diff(energies) < 0).all()
        np.testing.assert_allclose(directions @ directions.T, np.eye(6), atol=1e-12)
        np.testing.assert_array_equal(np.abs(directions).max(axis=1), directions.max(axis=1))
        np.testing.assert_allclose(principal_directions(-vectors, 6), directions)

    def test_same_seed_same_bytes(self) -> None:
        vectors = random_vectors(50, 8)
        first, second, other = (pca_identity(vectors, 20, 9, seed) for seed in (1, 1, 2))
        assert to_safetensors(first, {}) == to_safetensors(second, {})
        assert to_safetensors(first, {}) != to_safetensors(other, {})

    @pytest.mark.parametrize(("hidden", "output"), [(1, 4), (4, 0)])
    def test_layers_without_room_are_refused(self, hidden: int, output: int) -> None:
        with pytest.raises(PatinaError, match="at least 2 hidden units and 1 output"):
            pca_identity(random_vectors(5, 3), hidden, output, seed=0)


class TestSafetensors:
    def test_round_trip_and_layout(self) -> None:
        projection = random_projection(5, 7, 3)
        data = to_safetensors(projection, {"epochs": "10"})
        back = from_safetensors(data, "x")
        for before, after in zip(vars(projection).values(), vars(back).values(), strict=True):
            np.testing.assert_array_equal(before, after)
        shapes = {name: tensor.shape for name, tensor in load(data).items()}
        assert shapes == {"w1.weight": (7, 5), "w1.bias": (7,), "w2.weight": (3, 7), "w2.bias": (3,)}
        header = json.loads(data[8 : 8 + struct.unpack("<Q", data[:8])[0]])
        assert header.pop("__metadata__") == {
            "architecture": "mlp-2layer",
            "input_dim": "5",
            "hidden_dim": "7",
            "output_dim": "3",
            "created_by": "patina-oxidize",
            "patina": '{"epochs": "10"}',
        }
        assert header.keys() == shapes.keys()

    def test_the_library_reads_the_metadata(self, tmp_path: Path) -> None:
        path = tmp_path / "any.safetensors"
        path.write_bytes(to_safetensors(random_projection(5, 7, 3), {"name": "größer"}))
        with safe_open(path, "numpy") as file:
            assert file.metadata()["hidden_dim"] == "7"
            assert json.loads(file.metadata()["patina"]) == {"name": "größer"}

    def test_equal_input_gives_equal_bytes(self) -> None:
        projection = random_projection(5, 7, 3)
        keys = [f"key{i}" for i in range(8)]
        written = {to_safetensors(projection, dict.fromkeys(np.roll(keys, i), "x")) for i in range(8)}
        assert len(written) == 1

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"w1.bias": None}, "w1.bias is missing"),
            ({"w2.weight": np.zeros((3, 6), np.float32)}, r"do not agree: \[7, 5\], \[7\], \[3, 6\], \[3\]"),
            ({"w2.bias": np.zeros(4, np.float32)}, "do not agree"),
            ({"w1.bias": np.zeros(7, np.float16)}, "w1.bias is F16, expected F32"),
            ({"w1.bias": np.zeros((7, 1), np.float32)}, "expected 1 dimensions"),
            ({"w1.weight": np.zeros((7, 0), np.float32)}, r"shape \[7, 0\]"),
            ({"w2.bias": np.array([0, np.nan, 0], np.float32)}, "w2.bias holds values that are not finite"),
            ({"w2.bias": np.array([0, np.inf, 0], np.float32)}, "not finite"),
        ],
    )
    def test_unusable_tensors(self, change: dict[str, Float32 | None], message: str) -> None:
        tensors = load(to_safetensors(random_projection(5, 7, 3), {})) | change
        data = save({name: tensor for name, tensor in tensors.items() if tensor is not None})
        with pytest.raises(PatinaError, match=f"^temporal.safetensors: .*{message}"):
            from_safetensors(data, "temporal.safetensors")

    def test_every_truncation_is_reported(self) -> None:
        data = to_safetensors(random_projection(3, 4, 2), {})
        for length in range(len(data)):
            with pytest.raises(PatinaError, match="weights: not a readable safetensors file"):
                from_safetensors(data[:length], "weights")

    def test_flipped_bytes_are_reported_or_harmless(self) -> None:
        data = to_safetensors(random_projection(3, 4, 2), {})
        rng = np.random.default_rng(0)
        reported = 0
        for _ in range(2000):
            damaged = bytearray(data)
            damaged[rng.integers(len(data))] = rng.integers(256)
            try:
                projection = from_safetensors(bytes(damaged), "weights")
            except PatinaError:
                reported += 1
            else:
                assert projection.w2.shape == (projection.output_dims, len(projection.b1))
        assert reported > 200


class TestOnnx:
    @pytest.mark.parametrize("n", [0, 1, 300])
    def test_computes_the_same_as_numpy(self, n: int) -> None:
        projection, vectors = random_projection(64, 96, 32), random_vectors(n, 64)
        vectors[n // 2 : n // 2 + 1] = 0
        session = onnxruntime.InferenceSession(to_onnx(projection), providers=["CPUExecutionProvider"])
        (projected,) = session.run(["projected"], {"vectors": vectors})
        expected = projection.apply(vectors)
        assert projected.shape == expected.shape
        np.testing.assert_allclose(projected, expected, atol=1e-5)
        np.testing.assert_array_equal(projected[n // 2 : n // 2 + 1], 0)

    def test_output_without_a_direction_is_zero(self) -> None:
        projection = Projection(*(np.zeros_like(values) for values in vars(random_projection(4, 6, 3)).values()))
        vectors = random_vectors(2, 4)
        session = onnxruntime.InferenceSession(to_onnx(projection), providers=["CPUExecutionProvider"])
        np.testing.assert_array_equal(session.run(None, {"vectors": vectors})[0], 0)
        np.testing.assert_array_equal(projection.apply(vectors), 0)

    def test_equal_input_gives_equal_bytes(self) -> None:
        assert to_onnx(random_projection(4, 6, 3)) == to_onnx(random_projection(4, 6, 3))


class TestWhitenedPca:
    """The other start of training."""

    def test_takes_the_mean_away_and_keeps_every_direction(self) -> None:
        random = np.random.default_rng(0)
        vectors = (random.standard_normal((200, 12)) * np.linspace(3, 0.1, 12) + 5).astype(np.float32)
        projected = whitened_pca(vectors, 64, 12, 0).apply(vectors)
        assert np.linalg.matrix_rank(projected - projected.mean(axis=0)) == 12
        cosines = projected @ projected.T
        assert abs(float(cosines.mean())) < 0.05
        plain = pca_identity(vectors, 64, 12, 0).apply(vectors)
        assert float((plain @ plain.T).mean()) > 0.8

    def test_evens_out_the_spread_by_the_stated_power(self) -> None:
        random = np.random.default_rng(1)
        vectors = (random.standard_normal((5000, 2)) * [16.0, 1.0]).astype(np.float32)
        start = whitened_pca(vectors, 8, 2, 0)
        hidden = np.maximum(vectors @ start.w1.T + start.b1, 0)
        spread = (hidden @ start.w2.T).std(axis=0)
        assert spread.max() / spread.min() == pytest.approx(16**0.75, rel=0.05)

    def test_equal_vectors_and_tiny_layers_do_not_divide_by_zero(self) -> None:
        equal = np.full((5, 4), 0.5, dtype=np.float32)
        assert np.isfinite(whitened_pca(equal, 8, 4, 0).apply(equal)).all()
        assert whitened_pca(equal, 2, 4, 0).output_dims == 4
