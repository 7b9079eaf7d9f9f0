"""What the plans of a build are tried on."""

import pytest
from planned_world import World


@pytest.fixture
def world() -> World:
    """Everything is built."""
    return World().build()
