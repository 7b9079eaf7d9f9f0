"""A repository whose git ignores Patina's data."""

from pathlib import Path

import pytest
from materialize_helpers import GitFolder


@pytest.fixture
def folder(tmp_path: Path) -> GitFolder:
    folder = GitFolder(tmp_path / "project")
    folder.write(".gitignore", ".patina/data/\n")
    return folder
