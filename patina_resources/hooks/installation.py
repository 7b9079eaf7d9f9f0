"""Installs hooks for a project, takes them away, and tells how they stand."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from patina_resources.errors import PatinaError
from patina_resources.hooks.places import hook_text, hooks_folder, refuse_tracked_hooks
from patina_resources.hooks.records import HookedProject, forget, remember, wanted
from patina_resources.hooks.script import HOOKS, Starter, joined, parted
from patina_resources.materialize.git.repository import Repository, find_repository
from patina_resources.store.files import kept_mode, write_atomic
from patina_resources.store.folders.removal import remove
from patina_resources.store.mothership import HOME_VARIABLE, Mothership, mothership

MODE = 0o777  # less the umask
LinesState = Literal["installed", "missing", "of another Patina", "unreadable"]


@dataclass(frozen=True)
class HookState:
    """How one hook stands.

    Attributes:
        name: What git calls it.
        state: Whether our lines are in it, and whether they name this Patina.
        has_others: Whether there is something else in it, too.
        problem: Why it cannot be read or changed; "" as a rule.
    """

    name: str
    state: LinesState
    has_others: bool
    problem: str = ""


@dataclass(frozen=True)
class Hooks:
    """How the hooks of a project stand.

    Attributes:
        folder: Where they lie.
        wanted: Whether the user has installed them for this project.
        hooks: Each of them.
    """

    folder: Path
    wanted: bool
    hooks: tuple[HookState, ...]

    @property
    def state(self) -> Literal["installed", "incomplete", "not installed"]:
        """How they stand together."""
        if not self.wanted:
            return "not installed"
        return "installed" if all(hook.state == "installed" for hook in self.hooks) else "incomplete"


def starter_here() -> Starter:
    """Return what the hooks start that this process installs.

    Raises:
        PatinaError: Python does not know where it is.
    """
    if not Path(sys.executable or "").is_absolute():
        raise PatinaError("this Python does not know where it is: run `patina` from the environment it is installed in")
    home = os.environ.get(HOME_VARIABLE)
    return Starter(sys.executable, str(mothership().home) if home else None)


def install(root: Path, home: Mothership, starter: Starter) -> Path:
    """Put our lines into the hooks of the repository that a project is in. Again is no change.

    All hooks are looked at before the first is changed.

    Args:
        root: The project's root.
        home: The user's folder, which remembers the wish.
        starter: What they start.

    Returns:
        Where the hooks lie.

    Raises:
        PatinaError: It is a bare repository or none, git tracks the hooks, or one of them is no script of a shell, a
            link, or cannot be written.
    """
    root = root.resolve()
    repository = find_repository(root)
    folder = hooks_folder(repository)
    refuse_tracked_hooks(repository, folder)
    before = {name: hook_text(folder / name) for name in HOOKS}
    after = {
        name: joined(name, parted(text, str(folder / name)).others, starter, str(folder / name))
        for name, text in before.items()
    }
    remember(home, HookedProject(root, _top(repository), folder))
    for name in HOOKS:
        if after[name] != before[name]:
            _write(folder / name, after[name])
    return folder


def uninstall(root: Path, home: Mothership) -> list[Path]:
    """Take our lines out of the hooks, unless another project needs them there.

    Args:
        root: The project's root.
        home: The user's folder, which forgets the wish.

    Returns:
        The hooks that were changed or removed.

    Raises:
        PatinaError: A hook cannot be read or changed.
    """
    root = root.resolve()
    entries = wanted(home)
    folders = {entry.folder for entry in entries if entry.root == root} | {hooks_folder(find_repository(root))}
    needed = {entry.folder for entry in entries if entry.root != root and (entry.root / ".patina").is_dir()}
    paths = [folder / name for folder in sorted(folders - needed) for name in HOOKS]
    found = {path: parted(hook_text(path), str(path)) for path in paths if _is_readable(path)}
    forget(home, root)
    changed = [path for path, hook in found.items() if hook.ours]
    for path in changed:
        if others := found[path].others:
            _write(path, others)
        else:
            remove([path], path.parent)
    return changed


def state_of_hooks(root: Path, home: Mothership, starter: Starter) -> Hooks:
    """Return how the hooks of a project stand; the arguments are those of `install`.

    Raises:
        PatinaError: It is a bare repository or none, or the user's record cannot be read.
    """
    root = root.resolve()
    folder = hooks_folder(find_repository(root))
    is_wanted = any(entry.root == root for entry in wanted(home))
    return Hooks(folder, is_wanted, tuple(_state(folder / name, starter) for name in HOOKS))


def _state(path: Path, starter: Starter) -> HookState:
    try:
        hook = parted(hook_text(path), str(path))
        expected = parted(joined(path.name, hook.others, starter, str(path)), str(path))
    except PatinaError as error:
        return HookState(path.name, "unreadable", has_others=True, problem=str(error))
    state: LinesState = "missing" if not hook.ours else "installed" if hook == expected else "of another Patina"
    return HookState(path.name, state, has_others=bool(hook.others))


def _is_readable(path: Path) -> bool:
    """Return whether a hook may have lines of ours: we write to no link."""
    return path.is_file() and not path.is_symlink()


def _write(path: Path, text: str) -> None:
    write_atomic(path, text.encode("utf-8", "surrogateescape"), kept_mode(path, MODE))


def _top(repository: Repository) -> Path:
    return (repository.worktree or repository.git_dir).resolve()
