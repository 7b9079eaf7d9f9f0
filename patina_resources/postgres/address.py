"""Where the Postgres of a fleet is, and as whom the user asks. Only the environment and the user say so."""

import os
import re
from dataclasses import dataclass, field

from patina_resources.errors import PatinaError, shown
from patina_resources.project.user_settings import fleet_access
from patina_resources.store.mothership import Mothership

DSN_VARIABLE = "PATINA_FLEET_DSN"
MOST_GROUPS = 200
_GROUP = re.compile(r"[A-Za-z0-9/][A-Za-z0-9._:/@+-]*+(?: [A-Za-z0-9._:/@+-]++)*+")
MOST_GROUP_CHARACTERS = 200
GROUP_CHARACTERS = "letters, digits, spaces within, and ._:/@+-"


@dataclass(frozen=True)
class FleetAddress:
    """Where the store is.

    Attributes:
        dsn: An address of libpq; it may hold a password, so it is never printed.
        said_by: Where it was said, for an error.
    """

    dsn: str = field(repr=False)
    said_by: str


def fleet_address(home: Mothership) -> FleetAddress:
    """Return where the store of the fleet is.

    Raises:
        PatinaError: Nobody says so, or the user's config.toml is wrong.
    """
    said = os.environ.get(DSN_VARIABLE)
    if said:
        return FleetAddress(said, DSN_VARIABLE)
    chosen = fleet_access(home.settings).dsn
    if chosen is None:
        raise PatinaError(
            f"no Postgres of a fleet is named: set {DSN_VARIABLE}, or `dsn` in [fleet] of {home.settings}, "
            "such as postgresql://reader@host/patina"
        )
    return FleetAddress(chosen, f"{home.settings}: [fleet] dsn")


def user_groups(home: Mothership) -> tuple[str, ...]:
    """Return the groups that the user asks as.

    Raises:
        PatinaError: The user's config.toml names none, or one that is none.
    """
    groups = fleet_access(home.settings).groups
    if not groups:
        raise PatinaError(
            f"{home.settings}: [fleet] groups: expected the groups that you belong to, such as "
            'groups = ["engineering"]: without a group, nothing is visible'
        )
    return checked_groups(groups, f"{home.settings}: [fleet] groups")


def checked_groups(groups: tuple[str, ...], where: str) -> tuple[str, ...]:
    """Return names of groups, each once; a comma or another odd character could make two groups out of one.

    Args:
        groups: The names.
        where: Who says them, for the error.

    Raises:
        PatinaError: There are too many, or one is no name.
    """
    if len(groups) > MOST_GROUPS:
        raise PatinaError(f"{where}: {len(groups)} groups: expected at most {MOST_GROUPS}")
    for group in groups:
        if not is_group(group):
            raise PatinaError(f"{where}: {shown(group)}: expected the name of a group: {GROUP_CHARACTERS}")
    return tuple(dict.fromkeys(groups))


def is_group(text: str) -> bool:
    """Return whether a text is the name of a group."""
    return len(text) <= MOST_GROUP_CHARACTERS and _GROUP.fullmatch(text) is not None
