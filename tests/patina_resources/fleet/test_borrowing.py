"""A repository on this machine whose git folder leads to another one: what lies there is not fetched."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from materialize_helpers import GitFolder

from patina_assets.fleet.fetching import fetch_all
from patina_assets.fleet.memory import fleet_memory
from patina_resources.fleet.borrowing import READ, leads_out
from patina_resources.fleet.clones import FetchError, check_out, fetch, remote_head
from patina_resources.fleet.model import FleetProject
from patina_resources.fleet.reader import read_fleet
from patina_resources.store.mothership import mothership

SECONDS = 120.0
SECRET = "the price of the merger\n"


@pytest.fixture
def theirs(tmp_path: Path) -> GitFolder:
    """Return the repository of somebody else, loose and packed, which the fleet's user may read."""
    repository = GitFolder(tmp_path / "theirs")
    repository.write("secret.txt", SECRET)
    repository.commit("Plan")
    return repository


@pytest.fixture
def mine(tmp_path: Path, theirs: GitFolder) -> GitFolder:
    """Return the attacker's repository: its HEAD names a commit of the other one, whose objects it lacks."""
    repository = GitFolder(tmp_path / "mine")
    repository.write("plain.txt", "plain\n")
    repository.commit("Begin")
    (repository.path / ".git" / "refs" / "heads" / "main").write_text(f"{theirs.head()}\n")
    return repository


def entry(folder: Path, address: Path, *, borrows: bool = False) -> FleetProject:
    """Return a repository of a fleet."""
    return FleetProject("one", str(address), (), None, None, 0, folder, borrows)


def absolute(mine: Path, theirs: Path) -> None:
    alternates(mine, f"{theirs}/.git/objects")


def relative(mine: Path, _: Path) -> None:
    alternates(mine, "../../../theirs/.git/objects")


def after_a_comment(mine: Path, theirs: Path) -> None:
    alternates(mine, f"# nothing\n\n{theirs}/.git/objects")


def chained(mine: Path, theirs: Path) -> None:
    middle = GitFolder(mine.parent / "middle").path
    alternates(middle, f"{theirs}/.git/objects")
    alternates(mine, f"{middle}/.git/objects")


def linked_alternates(mine: Path, theirs: Path) -> None:
    elsewhere = mine / "list"
    elsewhere.write_text(f"{theirs}/.git/objects\n")
    place = mine / ".git" / "objects" / "info" / "alternates"
    place.parent.mkdir(exist_ok=True)
    place.symlink_to(elsewhere)


def linked_info(mine: Path, theirs: Path) -> None:
    elsewhere = mine / "info"
    elsewhere.mkdir()
    (elsewhere / "alternates").write_text(f"{theirs}/.git/objects\n")
    linked(mine / ".git" / "objects" / "info", elsewhere)


def linked_objects(mine: Path, theirs: Path) -> None:
    linked(mine / ".git" / "objects", theirs / ".git" / "objects")


def linked_packs(mine: Path, theirs: Path) -> None:
    GitFolder(theirs).git("repack", "-a", "-d", "-q")
    linked(mine / ".git" / "objects" / "pack", theirs / ".git" / "objects" / "pack")


def linked_pack(mine: Path, theirs: Path) -> None:
    GitFolder(theirs).git("repack", "-a", "-d", "-q")
    for file in (theirs / ".git" / "objects" / "pack").iterdir():
        (mine / ".git" / "objects" / "pack" / file.name).symlink_to(file)


def linked_loose_objects(mine: Path, theirs: Path) -> None:
    for file in (theirs / ".git" / "objects").glob("??/*"):
        place = mine / ".git" / "objects" / file.parent.name / file.name
        place.parent.mkdir(exist_ok=True)
        place.symlink_to(file)


def linked_folders_of_objects(mine: Path, theirs: Path) -> None:
    for folder in (theirs / ".git" / "objects").glob("??"):
        linked(mine / ".git" / "objects" / folder.name, folder)


def common_folder(mine: Path, _: Path) -> None:
    (mine / ".git" / "commondir").write_text("../../theirs/.git\n")


def file_for_a_folder(mine: Path, theirs: Path) -> None:
    shutil.rmtree(mine / ".git")
    (mine / ".git").write_text(f"gitdir: {theirs}/.git\n")


def worktree(mine: Path, theirs: Path) -> None:
    shutil.rmtree(mine)
    GitFolder(theirs).git("worktree", "add", "-q", str(mine))


def linked_git_folder(mine: Path, theirs: Path) -> None:
    linked(mine / ".git", theirs / ".git")


def linked_repository(mine: Path, theirs: Path) -> None:
    linked(mine, theirs)


def alternates(repository: Path, text: str) -> None:
    place = repository / ".git" / "objects" / "info" / "alternates"
    place.parent.mkdir(exist_ok=True)
    place.write_text(f"{text}\n")


def linked(place: Path, target: Path) -> None:
    if place.is_dir():
        shutil.rmtree(place)
    place.symlink_to(target)


ATTACKS = {
    absolute: ".git/objects/info/alternates",
    relative: ".git/objects/info/alternates",
    after_a_comment: ".git/objects/info/alternates",
    chained: ".git/objects/info/alternates",
    linked_alternates: ".git/objects/info/alternates",
    linked_info: ".git/objects/info",
    linked_objects: ".git/objects",
    linked_packs: ".git/objects/pack",
    linked_pack: ".git/objects/pack/pack-",
    linked_loose_objects: ".git/objects/",
    linked_folders_of_objects: ".git/objects/",
    common_folder: ".git/commondir",
    file_for_a_folder: ".git",
    worktree: ".git",
    linked_git_folder: ".git",
    linked_repository: "",
}


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_what_another_repository_holds_is_not_fetched(
    attack: Callable[[Path, Path], None], mine: GitFolder, theirs: GitFolder, tmp_path: Path
) -> None:
    attack(mine.path, theirs.path)
    with pytest.raises(FetchError) as refused:
        fetch(entry(tmp_path / "kept" / "one", mine.path), SECONDS)
    told, place = str(refused.value), mine.path / ATTACKS[attack]
    assert told.startswith(f"{mine.path}: {place}")
    assert told.endswith(
        " leads git to what lies elsewhere, or hides whether it does: name the repository that it belongs to, "
        "or set borrows = true in fleet.toml if you trust who can write there"
    )
    assert not list((tmp_path / "kept" / "one").rglob("pack-*"))
    # So it would be without the rule, and is where the fleet wants it.
    trusted = entry(tmp_path / "kept" / "two", mine.path, borrows=True)
    assert fetch(trusted, SECONDS).head == theirs.head()
    assert check_out(trusted) == theirs.head()
    assert (trusted.root / "secret.txt").read_text() == SECRET


def test_of_a_folder_of_repositories_those_that_borrow_are_left_out(
    mine: GitFolder, theirs: GitFolder, tmp_path: Path
) -> None:
    alternates(mine.path, f"{theirs.path}/.git/objects")
    file, told = tmp_path / "fleet.toml", {}
    for borrows in ("", "borrows = true\n"):
        file.write_text(f'[fleet]\nfolder = "{tmp_path}/kept"\n[[folders]]\npath = "{tmp_path}"\n{borrows}')
        fleet = read_fleet(file, mothership())
        looks = fetch_all(fleet, fleet_memory(fleet), fleet.projects)
        told[borrows] = {look.name: (look.moved, look.failure) for look in looks}
    first, second = told.values()
    assert first["theirs"] == (True, "")
    assert "alternates leads git" in first["mine"][1]
    assert second == {"mine": (True, ""), "theirs": (False, "")}


def test_a_repository_beside_or_within_is_not_taken_for_the_one_that_is_named(
    mine: GitFolder, theirs: GitFolder, tmp_path: Path
) -> None:
    """Git itself looks for others where the named one is none."""
    (mine.path / ".git" / "HEAD").unlink()
    linked(mine.path / ".git" / ".git", theirs.path / ".git")
    shutil.copytree(theirs.path, tmp_path / "mine.git")
    project = entry(tmp_path / "kept" / "one", mine.path, borrows=True)
    for look in (fetch, remote_head):
        with pytest.raises(FetchError, match="cannot be fetched"):
            look(project, SECONDS)
    # Where nothing has the name itself, `.git` may be left out.
    shutil.rmtree(mine.path)
    assert fetch(entry(tmp_path / "kept" / "two", mine.path), SECONDS).head == theirs.head()


def test_objects_that_the_environment_names_are_not_given(
    mine: GitFolder, theirs: GitFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_OBJECT_DIRECTORY"):
        monkeypatch.setenv(name, f"{theirs.path}/.git/objects")
    for borrows in (False, True):
        with pytest.raises(FetchError, match="cannot be fetched"):
            fetch(entry(tmp_path / "kept" / "one", mine.path, borrows=borrows), SECONDS)


def test_what_cannot_be_listed_is_not_taken_for_harmless(mine: GitFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may list every folder, so the system's answer to others is put in its place."""
    hidden, listed = mine.path / ".git" / "objects" / "info", os.scandir

    def refused(place: Path) -> object:
        if place == hidden:
            raise PermissionError(place)
        return listed(place)

    hidden.mkdir(exist_ok=True)
    assert leads_out(str(mine.path)) is None
    monkeypatch.setattr(os, "scandir", refused)
    assert leads_out(str(mine.path)) == hidden


@pytest.mark.parametrize("name", READ)
def test_what_git_reads_of_a_repository_is_no_link(name: str, mine: GitFolder, theirs: GitFolder) -> None:
    place = mine.path / ".git" / name
    if place.is_file():
        place.unlink()
    linked(place, theirs.path / ".git" / name)
    assert leads_out(str(mine.path)) == place


def test_a_pipe_in_the_place_of_a_list_is_not_waited_for(mine: GitFolder) -> None:
    place = mine.path / ".git" / "objects" / "info" / "alternates"
    place.parent.mkdir(exist_ok=True)
    os.mkfifo(place)
    assert leads_out(str(mine.path)) == place


def test_a_repository_with_a_linked_hook_or_an_empty_list_is_fetched(theirs: GitFolder, tmp_path: Path) -> None:
    shutil.rmtree(theirs.path / ".git" / "hooks", ignore_errors=True)
    (theirs.path / ".git" / "hooks").symlink_to(tmp_path)
    (theirs.path / ".git" / "objects" / "info" / "alternates").write_text("")
    assert fetch(entry(tmp_path / "kept" / "one", theirs.path), SECONDS) == (theirs.head(), True)


def test_a_linked_file_of_a_repository_is_not_told_of(mine: GitFolder, tmp_path: Path) -> None:
    """Git prints the line of `shallow` or `packed-refs` that it does not understand."""
    (tmp_path / "key").write_text("password of somebody\n")
    (mine.path / ".git" / "shallow").symlink_to(tmp_path / "key")
    for look in (fetch, remote_head):
        (mine.path / ".git" / "HEAD").write_text("ref: refs/heads/none\n")
        with pytest.raises(FetchError, match="shallow leads git") as refused:
            look(entry(tmp_path / "kept" / "one", mine.path), SECONDS)
        assert "password" not in str(refused.value)
