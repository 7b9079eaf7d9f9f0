"""Which weights are kept, continued or trained anew: `plan`, at every limit, without a file."""

from dataclasses import replace
from pathlib import Path

import pytest

from patina_assets.pairs.hash_sample import Drift
from patina_assets.pipeline.reasons import Reason, ReasonKind, reasons_text
from patina_assets.pipeline.stages import projections_of
from patina_assets.pipeline.stages.refresh import KEPT_WITHOUT_LEARNING, RefreshDecision, decide_refresh
from patina_assets.pipeline.staleness import (
    BaseModelState,
    ProjectionState,
    StageVerdict,
    fingerprint,
    plan,
    stage_inputs,
    training_basis,
)
from patina_assets.recipe.model import ProjectionRecipe, Recipe, Refresh, Training
from patina_resources.eventlog.looks.memory import SourceDigest
from patina_resources.store.files import sha256
from patina_resources.store.lineage import Lineage
from patina_resources.store.manifests import StageRecord

TRAINING = Training(source="git.co_changes", pair_type="co_changed", epochs=10)
TEMPORAL = ProjectionRecipe("temporal", "dimension", None, 1024, 256, TRAINING, line=1, layers_line=1)
MODEL = BaseModelState("corpus-static", sha256(b"model"), "mean pooling")


def of(share: float) -> Drift:
    """Return a drift of so many ten-thousandths."""
    new = round(share * 10_000)
    return Drift(new=new, gone=0, kept=10_000 - new)


class Built:
    """A projection that was built, and then had its pairs and embeddings built again."""

    def __init__(
        self, lineage: Lineage | None = None, *, best_epoch: int = 3, recipe: ProjectionRecipe = TEMPORAL
    ) -> None:
        self.recipe, self.model = Recipe(2, None, (recipe,), Path("oxidize.yaml"), model_line=1), MODEL
        (self.projection, self.base) = projections_of(self.recipe)
        names = {source.name for entry in (self.projection, self.base) for source in entry.sources}
        self.sources = {name: SourceDigest(sha256(name.encode()), 10) for name in names}
        self.manifest: dict[str, StageRecord] = {}
        for stage in self.projection.stages:
            self.put(stage.name, "first")
        weights = self.manifest["weights"]
        stage = self.projection.stage("weights")
        used = weights.fingerprint
        self.lineage = Lineage(training_basis(stage, MODEL), used, used)
        if lineage is not None:
            self.lineage = replace(
                self.lineage, continued=lineage.continued, drift_before=lineage.drift_before, drift=lineage.drift
            )
        self.manifest["weights"] = replace(weights, lineage=self.lineage, facts={"best_epoch": best_epoch})

    def put(self, name: str, content: str) -> None:
        inputs = stage_inputs(self.projection.stage(name), self.sources, self.model, self.manifest)
        self.manifest[name] = StageRecord(fingerprint(inputs), inputs, sha256(f"{name} {content}".encode()), {})

    def drifted(self) -> "Built":
        """Build new pairs and embeddings."""
        self.put("pairs", "second")
        self.put("embeddings", "second")
        return self

    def verdict(self, drift: Drift | None = None, stage: str = "weights", *, renew: bool = False) -> StageVerdict:
        states = {"temporal": ProjectionState(self.manifest, drift=drift)}
        found = plan(self.recipe, self.sources, self.model, states, renew=renew)
        return next(entry for entry in found if (entry.projection, entry.stage) == ("temporal", stage))

    def with_recipe(self, recipe: ProjectionRecipe) -> "Built":
        self.recipe = replace(self.recipe, projections=(recipe,))
        self.projection = projections_of(self.recipe)[0]
        return self


LIMITS = {
    0.0: ("kept", 0),
    0.0199: ("kept", 0),
    0.02: ("stale", 2),
    0.1999: ("stale", 2),
    0.20: ("stale", 4),
    0.50: ("stale", 4),
    0.5001: ("stale", 0),
    1.0: ("stale", 0),
}


@pytest.mark.parametrize(("share", "expected"), LIMITS.items())
def test_each_limit_decides(share: float, expected: tuple[str, int]) -> None:
    verdict = Built().drifted().verdict(of(share))
    assert (verdict.status, verdict.epochs) == expected
    kinds = {"kept": ReasonKind.KEPT, "stale": ReasonKind.CONTINUED if expected[1] else ReasonKind.LARGE_DRIFT}
    assert [reason.kind for reason in verdict.reasons] == [kinds[verdict.status]]


def test_what_is_kept_is_trained_for_no_epochs() -> None:
    lineage = Lineage("", "", "")
    kept = decide_refresh(Refresh(), lineage, 0.01, 0.99, has_learned=True)
    assert kept == RefreshDecision(kept=True, epochs=0, reason=Reason(ReasonKind.KEPT, after=0.99))
    anew = decide_refresh(Refresh(), lineage, 0.6, 0.4, has_learned=True)
    assert (anew.kept, anew.epochs) == (False, 0)


def test_the_limits_are_those_of_the_recipe() -> None:
    built = Built(recipe=replace(TEMPORAL, refresh=Refresh(0.1, 0.3, 0.4))).drifted()
    found = [(verdict.status, verdict.epochs) for verdict in map(built.verdict, map(of, (0.09, 0.1, 0.3, 0.41)))]
    assert found == [("kept", 0), ("stale", 2), ("stale", 4), ("stale", 0)]


def test_texts_say_what_happens() -> None:
    built = Built().drifted()
    assert reasons_text(built.verdict(of(0.013)).reasons) == "trained on 98.7% of today's pairs"
    assert reasons_text(built.verdict(of(0.07)).reasons) == "drift 7.0% (limit 2%): continued by 2 epochs"
    assert reasons_text(built.verdict(of(0.6)).reasons) == "drift 60.0% since it was trained anew (limit 50%)"


def test_all_drift_since_the_last_full_training_counts() -> None:
    for before, status, epochs in ((0.40, "stale", 2), (0.45, "stale", 0)):
        built = Built(Lineage("", "", "", continued=4, drift_before=before)).drifted()
        verdict = built.verdict(of(0.06))
        assert (verdict.status, verdict.epochs) == (status, epochs)
    # Also what is small enough to be kept.
    assert Built(Lineage("", "", "", continued=4, drift_before=0.49)).drifted().verdict(of(0.015)).status == "stale"


def test_what_learned_nothing_is_kept_but_never_continued() -> None:
    built = Built(best_epoch=0).drifted()
    # It ages slowly, and is kept for longer.
    assert built.verdict(of(0.04)).status == "kept"
    verdict = built.verdict(of(0.06))
    assert (verdict.status, verdict.epochs) == ("stale", 0)
    assert reasons_text(verdict.reasons[:1]) == reasons_text(
        [Reason(ReasonKind.NOTHING_LEARNED, before=KEPT_WITHOUT_LEARNING, after=0.06)]
    )
    patient = Built(best_epoch=0, recipe=replace(TEMPORAL, refresh=Refresh(keep_below=0.1))).drifted()
    assert patient.verdict(of(0.06)).status == "kept"


def test_always_is_as_it_was() -> None:
    built = Built(recipe=replace(TEMPORAL, refresh=Refresh(always=True))).drifted()
    verdict = built.verdict(of(0.0001))
    assert (verdict.status, verdict.epochs) == ("stale", 0)
    assert reasons_text(verdict.reasons) == "pairs changed; embeddings changed"
    # Weights that were kept before the recipe said so are not what it asks for.
    kept = Built(Lineage("", "", "", continued=1, drift_before=0.06)).with_recipe(
        replace(TEMPORAL, refresh=Refresh(always=True))
    )
    assert kept.verdict().reasons[0].kind is ReasonKind.ALWAYS
    assert Built().with_recipe(replace(TEMPORAL, refresh=Refresh(always=True))).verdict().status == "fresh"


def test_a_changed_recipe_or_model_is_trained_anew_however_small_the_drift() -> None:
    for recipe in (
        replace(TEMPORAL, hidden=512),
        replace(TEMPORAL, training=replace(TRAINING, epochs=9)),
        replace(TEMPORAL, training=replace(TRAINING, pairs=5000)),
        replace(TEMPORAL, training=replace(TRAINING, min_count=2)),
    ):
        built = Built().with_recipe(recipe).drifted()
        assert (built.verdict(of(0.001)).status, built.verdict(of(0.001)).epochs) == ("stale", 0), recipe
    built = Built()
    built.model = replace(MODEL, digest=sha256(b"another"))
    assert built.drifted().verdict(of(0.001)).status == "stale"
    built = Built()
    built.model = replace(MODEL, reasons=(Reason(ReasonKind.NEVER_BUILT),))
    assert built.verdict(of(0.001)).status == "stale"


def test_what_is_not_known_yet_is_not_decided() -> None:
    built = Built()
    built.sources["git.co_changes"] = SourceDigest(sha256(b"more"), 11)
    assert reasons_text(built.verdict().reasons) == "follows pairs, embeddings"
    # As soon as it is, the index follows pairs and embeddings alone.
    assert built.verdict(of(0.01)).status == "kept"
    assert reasons_text(built.verdict(of(0.01), "index").reasons) == "follows pairs, embeddings"
    assert built.verdict(of(0.01), "weights").reasons[0].after == pytest.approx(0.99)
    assert reasons_text(built.verdict(of(0.06), "index").reasons) == "follows pairs, embeddings, weights"


def test_a_policy_that_became_stricter_is_followed() -> None:
    built = Built(Lineage("", "", "", drift=0.015))
    built.manifest["weights"] = replace(
        built.manifest["weights"], lineage=replace(built.lineage, trained_on="another", began_with="another")
    )
    assert built.verdict().status == "fresh"
    assert built.with_recipe(replace(TEMPORAL, refresh=Refresh(keep_below=0.01))).verdict().epochs == 2


def test_renewing_takes_whatever_is_no_clean_build() -> None:
    assert Built().verdict(renew=True).status == "fresh"
    assert Built().drifted().verdict(of(0.001), renew=True).reasons[0].kind is ReasonKind.DRIFTED
    continued = Built(Lineage("", "", "", continued=2, drift_before=0.1))
    assert continued.verdict().status == "fresh"
    verdict = continued.verdict(renew=True)
    assert (verdict.status, verdict.epochs) == ("stale", 0)
    assert reasons_text(verdict.reasons) == "trained on 100.0% of today's pairs, continued 2 times: renewed"


def test_renewing_takes_a_model_that_has_not_seen_all() -> None:
    built = Built()
    built.model = replace(MODEL, drift=(Reason(ReasonKind.LEARNED_FROM, before=0.01, after=0.9),))
    assert built.verdict().status == "fresh"
    assert built.verdict(renew=True).status == "stale"
    model = plan(built.recipe, built.sources, built.model, {}, renew=True)[0]
    assert model.status == "stale"
    assert "90.0% of today's texts" in reasons_text(model.reasons)


def test_an_older_manifest_is_read_as_trained_on_exactly_its_inputs() -> None:
    built = Built()
    built.manifest["weights"] = replace(built.manifest["weights"], lineage=None)
    assert built.verdict().status == "fresh"
    assert built.verdict(renew=True).status == "fresh"
    built.drifted()
    verdict = built.verdict(of(0.001))
    assert (verdict.status, verdict.epochs) == ("stale", 0)
