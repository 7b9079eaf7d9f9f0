"""Passages of some groups are asked with a question's vector that a learned map has turned."""

import hashlib
import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from patina_assets.passages.passage import Group
from patina_assets.search.asking import question_map
from patina_assets.search.asking.question_map import FILE, SCALES, by_group, maps_from
from patina_assets.search.base_model import settings_text
from patina_resources.embedding.side_by_side import BaseFiles, BaseSpec
from patina_resources.errors import PatinaError
from patina_resources.models.registry import CORPUS_STATIC, ENGLISH_STATIC, ModelFiles, ModelSpec, model_digest
from patina_resources.models.registry_files import load_registry
from patina_resources.store.mothership import Mothership

LEARNED, OTHER = ModelSpec("m", 2, 8, "mean"), ModelSpec("n", 3, 8, "mean")
QUESTION = "where is it decided what a redirect becomes"
QUARTER_TURN = np.asarray([[-127, 127], [-127, -127], [0, 0]], np.int8)  # added to the identity


def files_of(digest: str) -> ModelFiles:
    return ModelFiles(Path("model.onnx"), Path("tokenizer.json"), digest)


def packed(rows: np.ndarray) -> bytes:
    data = BytesIO()
    np.savez(data, code=rows, **{SCALES: np.full((1, len(rows)), 1 / 127, np.float32)})
    return data.getvalue()


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a map for the bytes `d` of a model, in the place of what is shipped."""
    (tmp_path / "m.npz").write_bytes(packed(QUARTER_TURN))
    entry = {"file": "m.npz", "settings": settings_text(LEARNED)}
    entry["sha256"] = hashlib.sha256((tmp_path / "m.npz").read_bytes()).hexdigest()
    (tmp_path / FILE).write_text(json.dumps({"maps": {"d": entry}}))
    monkeypatch.setattr(question_map, "files", lambda _: tmp_path)
    question_map.learned_for.cache_clear()
    yield tmp_path
    question_map.learned_for.cache_clear()


@pytest.mark.usefixtures("shipped")
def test_a_vector_is_turned_and_keeps_its_length() -> None:
    asked = by_group(QUESTION, BaseSpec((LEARNED,)), BaseFiles((files_of("d"),)), np.asarray([0.5, 0], np.float32))
    assert list(asked) == [Group.CODE]
    assert asked[Group.CODE] == pytest.approx([0, 0.5])
    assert asked[Group.CODE].dtype == np.float32


@pytest.mark.usefixtures("shipped")
def test_of_models_side_by_side_only_the_part_that_was_learned_with_is_turned() -> None:
    vector = np.asarray([0.1, 0.2, 0.3, 0.6, 0.8], np.float32)
    spec, base = BaseSpec((OTHER, LEARNED)), BaseFiles((files_of("x"), files_of("d")))
    assert by_group(QUESTION, spec, base, vector)[Group.CODE] == pytest.approx([0.1, 0.2, 0.3, -0.8, 0.6])


@pytest.mark.usefixtures("shipped")
@pytest.mark.parametrize("numbers", [(0, 0), (np.nan, 1), (np.inf, 1)])
def test_what_has_no_direction_stays_as_it_is(numbers: tuple[float, float]) -> None:
    vector = np.asarray(numbers, np.float32)
    asked = by_group(QUESTION, BaseSpec((LEARNED,)), BaseFiles((files_of("d"),)), vector)
    assert np.array_equal(asked[Group.CODE], vector, equal_nan=True)


@pytest.mark.usefixtures("shipped")
@pytest.mark.parametrize(
    ("question", "digest", "spec"),
    [
        (QUESTION, "other bytes", LEARNED),
        (QUESTION, "d", ModelSpec("m", 2, 8, "mean", query_prefix="query: ")),
        ("wo wird entschieden, was aus einer Weiterleitung wird", "d", LEARNED),
        ("どこで決まる", "d", LEARNED),
    ],
)
def test_other_bytes_settings_and_languages_were_not_learned_with(question: str, digest: str, spec: ModelSpec) -> None:
    vector = np.asarray([1, 0], np.float32)
    assert by_group(question, BaseSpec((spec,)), BaseFiles((files_of(digest),)), vector) == {}


def test_a_map_is_read_only_if_its_digest_is_as_shipped(shipped: Path) -> None:
    (shipped / "m.npz").write_bytes(packed(QUARTER_TURN * 0))
    with pytest.raises(PatinaError, match=r"m\.npz is not as it was shipped: install Patina again"):
        by_group(QUESTION, BaseSpec((LEARNED,)), BaseFiles((files_of("d"),)), np.ones(2, np.float32))


def test_what_is_shipped_can_be_read_and_is_near_the_identity() -> None:
    folder = Path(question_map.__file__).parent
    told = json.loads((folder / FILE).read_text("utf-8"))["maps"]
    assert told
    for entry in told.values():
        data = (folder / entry["file"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == entry["sha256"]
        maps = maps_from(data)
        assert set(maps) == {Group.CODE, Group.DOCS, Group.COMMITS}
        for own in maps.values():
            vector = np.eye(1, len(own.offset), dtype=np.float32)[0]
            assert 0.5 < float(own.apply(vector) @ vector) < 1


def test_the_model_that_comes_with_the_program_has_maps(tmp_path: Path) -> None:
    own = load_registry(Mothership(tmp_path)).entry(ENGLISH_STATIC)
    assert own.shipped is not None
    files = files_of(model_digest(own.shipped.sha256_model, own.shipped.sha256_tokenizer))
    beside = ModelSpec(CORPUS_STATIC, 3, 512, "model")
    vector = np.random.default_rng(0).standard_normal(3 + own.spec.dims).astype(np.float32)
    asked = by_group(QUESTION, BaseSpec((beside, own.spec)), BaseFiles((files_of("its own"), files)), vector)
    assert set(asked) == {Group.CODE, Group.DOCS, Group.COMMITS}
    for turned in asked.values():
        own, english = (
            np.linalg.norm(turned[part]) / np.linalg.norm(vector[part]) for part in (slice(3), slice(3, None))
        )
        assert own / english == pytest.approx(0.7)  # what the index of words tells already counts less
        assert turned[:3] / own == pytest.approx(vector[:3])
        assert np.linalg.norm(turned) == pytest.approx(np.linalg.norm(vector))
        assert not np.allclose(turned[3:] / english, vector[3:], atol=0.1)


@pytest.mark.usefixtures("shipped")
def test_words_of_the_project_count_less_beside_a_model_that_knows_meanings() -> None:
    vector = np.asarray([0.6, 0.8, 0.6, 0.8], np.float32)
    spec = BaseSpec((LEARNED, ModelSpec(CORPUS_STATIC, 2, 512, "model")))
    asked = by_group(QUESTION, spec, BaseFiles((files_of("d"), files_of("its own"))), vector)[Group.CODE]
    assert np.linalg.norm(asked[2:]) / np.linalg.norm(asked[:2]) == pytest.approx(0.5)
    assert np.linalg.norm(asked) == pytest.approx(np.linalg.norm(vector))


def test_words_of_the_project_that_english_does_not_know_are_asked_with_as_they_are(tmp_path: Path) -> None:
    own = load_registry(Mothership(tmp_path)).entry(ENGLISH_STATIC)
    assert own.shipped is not None
    files = files_of(model_digest(own.shipped.sha256_model, own.shipped.sha256_tokenizer))
    vector = np.eye(1, 3 + own.spec.dims, dtype=np.float32)[0]
    spec = BaseSpec((ModelSpec(CORPUS_STATIC, 3, 512, "model"), own.spec))
    asked = by_group(QUESTION, spec, BaseFiles((files_of("its own"), files)), vector)
    assert asked[Group.CODE] == pytest.approx(vector)
