"""What is edited and undone, switched and switched back, or moved within a file leaves what is built fresh."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from materialize_helpers import GitFolder, after, last_seq
from small_project import build, patina, workspace_of
from story_project import make_story

from patina_assets.pipeline.staleness import stale_stages
from patina_assets.pipeline.workspace import survey
from patina_resources.project.project import find_project

Edit = Callable[[GitFolder], None]


@pytest.fixture(scope="module")
def built_story(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = make_story(tmp_path_factory.mktemp("story") / "project")
    with pytest.MonkeyPatch.context() as place:
        place.chdir(made.path)
        assert patina("materialize").code == 0
    build(find_project(made.path))
    return made.path


@pytest.fixture
def story(built_story: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GitFolder:
    """Return a copy of the built project, in which commands run."""
    shutil.copytree(built_story, tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    assert stale(tmp_path / "project") == set()
    return GitFolder(tmp_path / "project")


def stale(root: Path) -> set[str]:
    return {
        f"{verdict.projection}/{verdict.stage}"
        for verdict in stale_stages(survey(workspace_of(find_project(root))).verdicts)
    }


def materialize() -> None:
    assert patina("materialize").code == 0


def other_body(folder: GitFolder) -> None:
    text = (folder.path / "src/cache.py").read_text()
    folder.write("src/cache.py", "# above\n" + text.replace("return read_cache(value)", "return [read_cache(value)]"))


def other_calls(folder: GitFolder) -> None:
    text = (folder.path / "src/cache.py").read_text()
    folder.write("src/cache.py", text.replace("return read_cache(value)", "return write_cache(value)"))


def no_file(folder: GitFolder) -> None:
    (folder.path / "src/parser.py").unlink()


def other_note(folder: GitFolder) -> None:
    path = "layer/sessions/20240101-000000.md"
    text = (folder.path / path).read_text()
    folder.write(path, text.replace("answers with", "speaks with"))


@pytest.mark.parametrize("edit", [other_body, other_calls, no_file, other_note])
def test_an_edit_that_is_undone_leaves_nothing_stale(story: GitFolder, edit: Edit) -> None:
    edit(story)
    materialize()
    assert stale(story.path)
    story.git("checkout", "-q", ".")
    materialize()
    assert stale(story.path) == set()


def test_a_branch_and_back_leaves_nothing_stale_and_appends_what_differs(story: GitFolder) -> None:
    story.git("checkout", "-q", "-b", "other")
    other_body(story)
    story.commit("feat: another body")
    story.git("mv", "src/index.py", "src/listing.py")
    story.commit("feat: another name")
    materialize()
    before = last_seq(story.eventlog)
    story.git("checkout", "-q", "main")
    materialize()
    assert stale(story.path) == set()
    appended = after(story.eventlog, before)
    # Two commits are taken back, with what is known of the file that they moved, and the facts of two files change.
    assert appended == {
        "git.removed": 2, "code.removed": 2, "code.file": 2, "code.function": 6, "code.call": 5,
    }  # fmt: skip


def test_what_moves_within_its_file_changes_passages_alone(story: GitFolder) -> None:
    for path in ("src/cache.py", "src/parser.py"):
        story.write(path, "# A line above.\n\n" + (story.path / path).read_text())
    path = "layer/sessions/20240101-000000.md"
    story.write(path, (story.path / path).read_text().replace("**Key Decisions:**", "\n\n\n**Key Decisions:**"))
    materialize()
    assert stale(story.path) == {"base/items", "base/embeddings", "base/index", "oxidize_lock/oxidize_lock"}
