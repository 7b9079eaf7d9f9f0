"""A repository to read."""

from pathlib import Path

import pytest
from materialize_helpers import GitFolder


@pytest.fixture
def folder(tmp_path: Path) -> GitFolder:
    return GitFolder(tmp_path / "project")
