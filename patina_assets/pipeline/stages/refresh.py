"""Whether trained weights are kept, continued or trained anew. Pure: values in, a decision out."""

from dataclasses import dataclass

from patina_assets.pipeline.reasons import Reason, ReasonKind
from patina_assets.recipe.model import Refresh
from patina_resources.store.lineage import Lineage

# Passes over the pairs, on a fresh optimizer: docs/drift-figures.md has what fewer and more of them gave.
EPOCHS_OF_MODERATE_DRIFT = 2
EPOCHS_OF_LARGE_DRIFT = 4
# Weights that training did not improve age slowly, and there is nothing to continue: below this drift they are kept.
KEPT_WITHOUT_LEARNING = 0.05


@dataclass(frozen=True)
class RefreshDecision:
    """What becomes of weights.

    Attributes:
        kept: They stay as they are.
        epochs: So many epochs are trained from where they are; 0 to begin from the start, and for what is kept.
        reason: Why.
    """

    kept: bool
    epochs: int
    reason: Reason


def decide_refresh(
    policy: Refresh, lineage: Lineage, share: float, known: float, *, has_learned: bool
) -> RefreshDecision:
    """Return what becomes of weights whose recipe and model are those that they were trained with.

    Args:
        policy: The recipe's limits.
        lineage: What they were trained on.
        share: Drift since they were trained last, 0 to 1.
        known: Share of today's relations that they were trained on.
        has_learned: Whether they are more than the start of training.
    """
    if policy.always:
        return _anew(Reason(ReasonKind.ALWAYS, after=known))
    total = lineage.drift_before + share
    if total > policy.renew_above:
        return _anew(Reason(ReasonKind.LARGE_DRIFT, before=policy.renew_above, after=total))
    keep_below = policy.keep_below if has_learned else max(policy.keep_below, KEPT_WITHOUT_LEARNING)
    if share < keep_below:
        return RefreshDecision(kept=True, epochs=0, reason=Reason(ReasonKind.KEPT, after=known))
    if not has_learned:
        return _anew(Reason(ReasonKind.NOTHING_LEARNED, before=keep_below, after=share))
    if share < policy.continue_below:
        return _continued(EPOCHS_OF_MODERATE_DRIFT, policy.keep_below, share)
    return _continued(EPOCHS_OF_LARGE_DRIFT, policy.continue_below, share)


def _anew(reason: Reason) -> RefreshDecision:
    return RefreshDecision(kept=False, epochs=0, reason=reason)


def _continued(epochs: int, limit: float, share: float) -> RefreshDecision:
    return RefreshDecision(kept=False, epochs=epochs, reason=Reason(ReasonKind.CONTINUED, str(epochs), limit, share))
