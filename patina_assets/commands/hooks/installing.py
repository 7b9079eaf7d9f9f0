"""`patina hook install`, `uninstall` and `status`."""

from dataclasses import asdict

from patina_assets.commands.hooks.background import hook_files
from patina_assets.pipeline.plain_text import json_text
from patina_assets.terminal.output import print_table
from patina_resources.hooks.installation import Hooks, install, starter_here, state_of_hooks, uninstall
from patina_resources.hooks.script import HOOKS
from patina_resources.project.known_projects import register_project
from patina_resources.project.project import Project
from patina_resources.store.mothership import mothership
from patina_resources.store.mutex import is_held

LAST_LINES = 5
HEADER = ("hook", "state", "lines of yours")


def install_hooks(project: Project) -> int:
    """Install the hooks for a project, and say what they do; return the exit code.

    Raises:
        PatinaError: They cannot be installed; nothing was changed then.
    """
    home = mothership()
    register_project(home, project.root)
    folder = install(project.root, home, starter_here())
    print(f"installed in {folder}: {', '.join(HOOKS)}")
    print("after each of them the repository is read and rebuilt in the background; git does not wait for that")
    print(f"log: {hook_files(project).log}")
    print("next: commit something, then run `patina hook status`")
    return 0


def uninstall_hooks(project: Project) -> int:
    """Take the hooks of a project away; return the exit code.

    Raises:
        PatinaError: A hook cannot be read or changed.
    """
    changed = uninstall(project.root, mothership())
    for path in changed:
        print(f"{'changed' if path.exists() else 'removed'}: {path}")
    if not changed:
        print("nothing to take away: no hook has lines that only this project needs")
    return 0


def print_hooks(project: Project, *, as_json: bool) -> int:
    """Print how the hooks of a project stand, and what they did last; return the exit code.

    Raises:
        PatinaError: There is no repository with checked-out files.
    """
    hooks = state_of_hooks(project.root, mothership(), starter_here())
    files = hook_files(project)
    log, running = files.log, is_held(files.mutex)
    last = log.read_text("utf-8", "replace").splitlines()[-LAST_LINES:] if log.is_file() else []
    if as_json:
        document = {
            "folder": str(hooks.folder),
            "wanted": hooks.wanted,
            "running": running,
            "log": str(log),
            "last": last,
        }
        print(json_text(document | {"hooks": [asdict(hook) for hook in hooks.hooks]}))
        return 0
    print(f"hooks: {hooks.folder}")
    print_table(HEADER, [(hook.name, hook.state, "kept" if hook.has_others else "-") for hook in hooks.hooks])
    now = ["running now: the repository is being read and rebuilt"] if running else []
    print("\n".join([*_remarks(hooks), *now, *(["end of the log:", *last] if last else [])]))
    return 0


def _remarks(hooks: Hooks) -> list[str]:
    problems = [hook.problem for hook in hooks.hooks if hook.problem]
    if hooks.state == "not installed":
        return [*problems, "not installed for this project: run `patina hook install`"]
    if hooks.state == "installed":
        return [*problems, "installed: after each of them the repository is read and rebuilt in the background"]
    return [*problems, "incomplete: run `patina hook install`"]
