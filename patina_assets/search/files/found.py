"""What the lists of a question hold: passages by their keys, and where they stand."""

from typing import NamedTuple

from patina_assets.passages.passage import Group
from patina_assets.passages.roles import Role


class _Roles(dict[str, Role]):
    """Roles by their text. One that a newer version has written counts as source: this one may be asked meanwhile."""

    def __missing__(self, _: str) -> Role:
        return Role.SOURCE


ROLES = _Roles({str(role): role for role in Role})
GROUPS = {str(group): group for group in Group}


class Found(NamedTuple):
    """A passage that a list found: its key, score (more is better), thing, role of its file, and state.

    What is left of a source file beside its definitions has no symbol.
    """

    key: int
    score: float
    thing: str
    role: Role
    state: str | None
    has_symbol: bool


# What every list tells of a passage, as SQLite gives it: its group, and the last four parts of `Found`. A process keeps
# tens of thousands of them. The garbage collector does not follow plain tuples of texts and numbers.
PassagePlace = tuple[str, str, str, str | None, int]


def found_at(place: PassagePlace, key: int, score: float) -> Found:
    """Return a passage as a list gives it."""
    _, thing, role, state, has_symbol = place
    return Found(key, score, thing, ROLES[role], state, bool(has_symbol))


class DefinitionPart(NamedTuple):
    """A passage of a definition: its key, the definition's name, and how many lines the passage has."""

    key: int
    symbol: str
    lines: int
