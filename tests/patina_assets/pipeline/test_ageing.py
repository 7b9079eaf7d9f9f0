"""Whether weights have fallen behind the base vectors: a difference that the choice of queries does not explain."""

from dataclasses import replace
from pathlib import Path

import pytest
from made_once import built_project
from small_project import patina, workspace_of

from patina_assets.pipeline.stages.ageing import Ageing, ageing
from patina_assets.pipeline.stages.weights_page import CONTINUATIONS, weights_page
from patina_resources.store.files import write_atomic
from patina_resources.store.manifests import manifest_document, read_manifest


def asked(mrr: float, base: float, error: float | None, queries: int) -> dict[str, float | int | None]:
    return {"drift": 0.1, "next_mrr": mrr, "next_base_mrr": base, "next_error": error, "next_queries": queries}


BEHIND = [asked(0.30, 0.35, 0.02, 100), asked(0.28, 0.36, 0.02, 300)]


def test_continuations_count_by_their_queries() -> None:
    found = ageing([asked(0.5, 0.3, 0.03, 100), asked(0.2, 0.3, 0.04, 300)])
    assert found is not None
    assert found.gain == pytest.approx((100 * 0.2 - 300 * 0.1) / 400)
    assert found.error == pytest.approx(((100 * 0.03) ** 2 + (300 * 0.04) ** 2) ** 0.5 / 400)
    assert found.queries == 400
    assert not found.is_behind


@pytest.mark.parametrize(
    "continuations",
    [
        [],
        [asked(0.1, 0.5, None, 1)],
        [{"next_mrr": None, "next_base_mrr": None, "next_error": None, "next_queries": 0}],
        [{"next_mrr": 0.1, "next_base_mrr": 0.5, "next_queries": 50}],  # of an older version
    ],
)
def test_nothing_is_said_where_nothing_was_measured(continuations: list[dict[str, float | int | None]]) -> None:
    assert ageing(continuations) is None
    assert "ageing" not in weights_page({CONTINUATIONS: continuations[:0]}, None)


@pytest.mark.parametrize(("gain", "is_behind"), [(-0.05, True), (-0.039, False), (0.0, False), (0.3, False)])
def test_only_what_is_clear_is_a_warning(gain: float, is_behind: bool) -> None:
    assert Ageing(gain, 0.02, 100).is_behind is is_behind
    assert ("training anew would clearly gain" in str(Ageing(gain, 0.02, 100))) is is_behind


def test_page_and_doctor_tell_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = built_project(tmp_path / "project")
    monkeypatch.chdir(project.root)
    assert "would clearly gain" not in patina("doctor").out
    paths = workspace_of(project).paths("temporal")
    manifest = read_manifest(paths.manifest)
    weights = replace(manifest["weights"], facts={**manifest["weights"].facts, CONTINUATIONS: BEHIND})
    write_atomic(paths.manifest, manifest_document(paths.name, {**manifest, "weights": weights}))
    told = "MRR -0.0725 beside the base vectors on relations that came since, 400 queries"
    page = weights_page(weights.facts, weights.lineage)
    assert page["next_gain"] == -0.0725
    assert page["ageing"] == f"training anew would clearly gain: {told}"
    out = patina("doctor").out
    assert f"temporal/weights: training anew would clearly gain: {told}" in out
    assert "patina oxidize --full --only temporal" in out
