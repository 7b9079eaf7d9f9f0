"""What git tracks of derived files is noticed also by a process that found none before."""

from pathlib import Path

import pytest
from materialize_helpers import GitFolder

from patina_resources.errors import PatinaError
from patina_resources.materialize.git import tracked
from patina_resources.materialize.git.tracked import refuse_tracked


@pytest.fixture
def folder(tmp_path: Path) -> GitFolder:
    folder = GitFolder(tmp_path)
    folder.write("a.py", "A = 1\n")
    folder.write(".patina/data/x", "built elsewhere")
    folder.git("add", "a.py")
    folder.commit("Begin")
    return folder


def test_what_is_added_after_a_look_is_noticed(folder: GitFolder) -> None:
    folder.git("rm", "-r", "-q", "--cached", "--ignore-unmatch", ".patina/data")
    refuse_tracked(folder.path)
    folder.git("add", "--force", ".patina/data/x")
    with pytest.raises(PatinaError, match=r"git tracks \.patina/data/x"):
        refuse_tracked(folder.path)


def test_the_same_index_is_looked_through_once(folder: GitFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.git("rm", "-r", "-q", "--cached", "--ignore-unmatch", ".patina/data")
    refuse_tracked(folder.path)
    monkeypatch.setattr(tracked, "_tracked", lambda _: [b"asked again"])
    refuse_tracked(folder.path)
    folder.git("add", "--force", ".patina/data/x")
    with pytest.raises(PatinaError, match="asked again"):
        refuse_tracked(folder.path)
