"""The passages that are nearest to a question: in each group, to the vector that the question has for it.

The index of vectors is asked once, for what lies between these vectors; what it gives is compared with each of them. To
ask it for each of them found no more answers (docs/fleet-figures.md).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from patina_assets.passages.passage import Group
from patina_assets.search.published.rows import vector_text

CONDITIONS = """
kind = ANY (%(kinds)s) AND {among}
AND (%(path)s::text IS NULL OR path LIKE %(path)s)
AND (%(endings)s::text[] IS NULL OR lower(path) LIKE ANY (%(endings)s))
AND (%(since)s::text IS NULL OR "time" >= %(since)s)
AND (%(author)s::text IS NULL OR lower(author) LIKE %(author)s)
"""
# Adding 0 keeps the index out of it.
NEAR = """
SELECT kind, id, -(embedding <#> {asked_with}), project_id, thing, role, state,
       symbol_key <> '', -(embedding <#> %(own)s::halfvec)
FROM (SELECT passage.* FROM patina.passage
      WHERE {conditions} ORDER BY (embedding <#> %(between)s::halfvec){plus} LIMIT %(most)s) AS nearest
"""


@dataclass(frozen=True)
class QuestionVectors:
    """The vectors of a question.

    Attributes:
        own: float32 [dims], of unit length or zeros.
        by_group: Those that passages of some groups are compared with instead, float32 [dims].
    """

    own: NDArray[np.float32]
    by_group: Mapping[Group, NDArray[np.float32]]

    def between(self, groups: Iterable[Group]) -> NDArray[np.float32]:
        """Return the direction between `own` and the middle of those of some groups, float32 [dims].

        `own` counts as much as the others together: more is missed of what is nearest to it otherwise
        (docs/fleet-figures.md).

        Returns:
            A vector of unit length, or zeros.
        """
        others = [self.by_group[group] for group in groups if group in self.by_group]
        total = self.own + np.mean(others, axis=0, dtype=np.float32) if others else self.own
        length = float(np.linalg.norm(total))
        return total / np.float32(length) if length else total


def near_query(conditions: str, groups: Iterable[Group], *, compares: bool) -> str:
    """Return the query for the passages that are nearest, in any order; its last column is the cosine to `own`.

    Args:
        conditions: Which passages are searched.
        groups: Those that have a vector of their own, as the parameter of their name.
        compares: Whether all passages are compared, without the index.
    """
    by_kind = " ".join(f"WHEN '{group}' THEN %({group})s::halfvec" for group in groups)
    asked_with = f"CASE kind {by_kind} ELSE %(own)s::halfvec END" if by_kind else "%(own)s::halfvec"
    return NEAR.format(conditions=conditions, asked_with=asked_with, plus=" + 0" if compares else "")


def vector_values(vectors: QuestionVectors, groups: Iterable[Group]) -> dict[str, str]:
    """Return the parameters of `near_query` that are vectors."""
    kept = list(groups)
    own = {"own": vector_text(vectors.own), "between": vector_text(vectors.between(kept))}
    return own | {str(group): vector_text(vectors.by_group[group]) for group in kept}
