"""What a stage was trained on, as its manifest entry keeps it."""

from dataclasses import dataclass
from typing import Annotated

from patina_resources.documents.checks import TEXT, number, whole

_SHARE = number(">= 0")


@dataclass(frozen=True)
class Lineage:
    """What a stage was trained on that may be kept, or continued, when its inputs change.

    Attributes:
        basis: Hash of what must be the same for that: recipe, program, model.
        trained_on: Fingerprint of the inputs that it was trained on last. It is the record's own fingerprint where it
            was trained on exactly what there is now.
        began_with: Fingerprint of the inputs of the last training from the start.
        continued: How often it was continued since.
        drift: Share of relations that are new or gone since it was trained last, 0 to 1.
        known: Share of the relations that there are now that it was trained on, 0 to 1.
        drift_before: Sum of the drifts at which it was continued.
    """

    basis: Annotated[str, TEXT]
    trained_on: Annotated[str, TEXT]
    began_with: Annotated[str, TEXT]
    continued: Annotated[int, whole(0)] = 0
    drift: Annotated[float, _SHARE] = 0.0
    known: Annotated[float, _SHARE] = 1.0
    drift_before: Annotated[float, _SHARE] = 0.0

    @property
    def total_drift(self) -> float:
        """All drift since the last training from the start."""
        return self.drift_before + self.drift
