"""Where the hooks of a repository lie, and whether one may be changed there."""

import os
from pathlib import Path

from patina_resources.errors import PatinaError
from patina_resources.hooks.script import HOOKS
from patina_resources.materialize.git.command import path_setting
from patina_resources.materialize.git.repository import Repository
from patina_resources.store.files import irregular, unusual, without_links

SETTING = "core.hooksPath"
# Whoever makes a `.git` folder writes these; the others are the user's.
OF_THE_REPOSITORY = ("local", "worktree")
MOST_BYTES = 1 << 20
EXECUTABLE = 0o111


def hooks_folder(repository: Repository) -> Path:
    """Return the folder that git takes the hooks of a repository from: `core.hooksPath`, else its own.

    Raises:
        PatinaError: The repository has no checked-out files, or the folder leads out of it or nowhere.
    """
    top = repository.worktree
    if top is None:
        raise PatinaError(
            f"{repository.git_dir}: is a bare repository, in which git runs none of the hooks "
            f"({', '.join(HOOKS)}): run `patina materialize --oxidize` from its own post-receive hook instead"
        )
    common = Path(
        os.fsdecode(repository.output("rev-parse", "--path-format=absolute", "--git-common-dir").rstrip(b"\n"))
    )
    setting = path_setting(top, SETTING)
    scope, path = setting or ("local", common / "hooks")
    try:
        folder = without_links(top / path)  # a link may lead to hooks that git tracks, or out of the repository
    except RuntimeError as error:
        raise PatinaError(f"{top / path}: links lead in a circle: expected a folder for hooks") from error
    inside = any(folder.is_relative_to(place.resolve()) for place in (top, common))
    if scope in OF_THE_REPOSITORY and not inside:
        named = f"{top}: {SETTING} in this repository's configuration names" if setting else f"{path}: is a link to"
        raise PatinaError(
            f"{named} {folder}, outside of the repository: nothing is written there: if you want that, run "
            f"`git config --global {SETTING} {folder}`"
        )
    return folder


def hook_text(path: Path) -> str:
    """Return what a hook says, every byte of it, or an empty text where there is none.

    Raises:
        PatinaError: It cannot be read, is a link or something else than a plain file, or git does not run it.
    """
    try:
        status = path.lstat()
    except FileNotFoundError:
        return ""
    if kind := unusual(status):
        raise PatinaError(irregular(path, kind))
    if not status.st_mode & EXECUTABLE:
        raise PatinaError(
            f"{path}: may not be executed, so git does not run it: run `chmod +x {path}`, or move it away"
        )
    if status.st_size > MOST_BYTES:
        raise PatinaError(f"{path}: larger than {MOST_BYTES} bytes: expected a small script")
    try:
        return path.read_bytes().decode("utf-8", "surrogateescape")
    except OSError as error:
        raise PatinaError(f"{path}: cannot be read ({error.strerror or error})") from error


def refuse_tracked_hooks(repository: Repository, folder: Path) -> None:
    """Return if git tracks none of the hooks: a tracked one would be changed for everybody.

    Raises:
        PatinaError: Git tracks one.
    """
    top = (repository.worktree or repository.git_dir).resolve()
    if not folder.is_relative_to(top):
        return
    below = folder.relative_to(top)
    if tracked := repository.tracked(top, [os.fspath(below / name) for name in HOOKS]):
        named = os.fsdecode(tracked[0])
        raise PatinaError(
            f"{top / named}: git tracks this hook, so a change of it would reach everybody: add the line "
            "`patina hook run >/dev/null 2>&1 &` to it yourself, or unset core.hooksPath"
        )
