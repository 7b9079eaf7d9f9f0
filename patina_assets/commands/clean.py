"""`patina clean`: shows what no recipe needs, and removes it once the user agrees."""

from collections.abc import Sequence

from patina_assets.pipeline.plain_text import json_text
from patina_assets.pipeline.tables import size_text
from patina_assets.pipeline.workspace import open_workspace
from patina_assets.terminal.output import print_table
from patina_assets.terminal.questions import confirm
from patina_assets.upkeep.unneeded import Unneeded, unneeded
from patina_resources.errors import PatinaError
from patina_resources.project.project import Project
from patina_resources.store.artifacts import MUTEX_WAIT_SECONDS
from patina_resources.store.folders.removal import remove
from patina_resources.store.mutex import exclusive

HEADER = ("what", "name", "files", "size")


def clean(project: Project, *, dry_run: bool, yes: bool, as_json: bool = False) -> None:
    """Show what is not needed, remove it once the user agrees, and print what was done.

    Args:
        project: The project.
        dry_run: Only show it.
        yes: Do not ask.
        as_json: Print what was found as JSON, and whether it is removed.

    Raises:
        PatinaError: The recipe cannot be read, nobody is there to agree, another process builds, or something cannot be
            removed.
    """
    found = unneeded(open_workspace(project))
    total = size_text(sum(entry.bytes for entry in found))
    if found and not as_json:
        print_table(HEADER, [(entry.kind, entry.name, entry.files, size_text(entry.bytes)) for entry in found])
    removes = bool(found) and not dry_run
    if removes:
        if not yes and not confirm(f"remove all of it ({total})?", default=False):
            raise PatinaError("nothing was removed: confirm with `patina clean --yes`")
        with exclusive(project.mutex, MUTEX_WAIT_SECONDS, "removing what is not needed"):
            remove((path for entry in found for path in entry.paths), project.data)
    if as_json:
        print(json_text(_document(found, removes)))
    elif not found:
        print("nothing to remove: everything here is needed by the recipe")
    else:
        print(f"removed: {total}" if removes else f"{total} would be removed")


def _document(found: Sequence[Unneeded], removed: bool) -> dict[str, object]:
    told = [{"kind": entry.kind, "name": entry.name, "files": entry.files, "bytes": entry.bytes} for entry in found]
    return {"removed": removed, "bytes": sum(entry.bytes for entry in found), "unneeded": told}
