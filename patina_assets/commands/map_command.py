"""`patina map`: writes the map of a projection as one HTML page."""

from pathlib import Path

from patina_assets.pictures.map import page
from patina_assets.pictures.plane import MAP_ITEMS
from patina_assets.pipeline.stages.index import item_places
from patina_assets.pipeline.workspace import open_workspace
from patina_resources.errors import check_known
from patina_resources.project.project import Project
from patina_resources.store.files import write_atomic


def write_map(project: Project, name: str, out: Path) -> str:
    """Write the page and return in words what was written.

    Args:
        project: The project.
        name: A projection, or `base`.
        out: The file; replaced if it is there.

    Raises:
        PatinaError: The projection is unknown or not built, or the file cannot be written.
    """
    workspace = open_workspace(project)
    known = workspace.names()
    check_known((name,), known, "projection", "map")
    found = item_places(workspace.paths(name), MAP_ITEMS)
    write_atomic(out, page(found, f"{project.config.name or project.root.name}: {name}").encode())
    return f"{out}: {len(found.items)} items of {name}; open it in a browser"
