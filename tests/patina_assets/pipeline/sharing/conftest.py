"""A team whose builder has pushed, for the tests of what is shared."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from team import Team, new_process


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Team:
    return Team(tmp_path_factory.mktemp("team"))


@pytest.fixture
def own_team(team: Team, tmp_path: Path) -> Team:
    """Return the team with a copy of the store, to be damaged."""
    return team.with_own_store(tmp_path)


@pytest.fixture(autouse=True)
def _new_process() -> Iterator[None]:
    """Forget the caches that were opened, as a new process does."""
    with new_process():
        yield
