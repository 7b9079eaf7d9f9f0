"""Dagster homes: a project's own, the one that several projects share, and the code locations in either."""

import json
import os
import re
import shlex
import sys
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import yaml

from patina_resources.errors import PatinaError
from patina_resources.project.project import Project
from patina_resources.store.files import write_if_changed
from patina_resources.store.folders.own import make_exclusive_folder
from patina_resources.store.mothership import mothership

WORKSPACE_FILE = "workspace.yaml"


def instance_settings() -> bytes:
    """Return the content of dagster.yaml, the same for every project."""
    return (files("patina_assets.orchestration") / "dagster.yaml").read_bytes()


def prepare_home(project: Project) -> Path:
    """Return the project's DAGSTER_HOME, made and configured where it is not yet.

    Raises:
        PatinaError: It cannot be made, or something else stands in its place.
    """
    return _prepared(project.dagster_home, [project])


def location_names(projects: Sequence[Project]) -> dict[str, Project]:
    """Return the projects by the name of their code location: config.toml's name, else the folder's, told apart."""
    names: dict[str, Project] = {}
    for project in projects:
        name = re.sub(r"[^A-Za-z0-9_]+", "_", project.config.name or project.root.name).strip("_").lower() or "project"
        candidates = (name, *(f"{name}_{number}" for number in range(2, len(projects) + 2)))
        names[next(candidate for candidate in candidates if candidate not in names)] = project
    return names


def prepare_workspace(projects: Sequence[Project]) -> Path:
    """Return the DAGSTER_HOME for some projects, with a workspace file in it: one code location for each.

    One project has its own home. Several share one in the mothership, where their asset keys begin with the name of
    the code location: Dagster knows an asset by its key alone.

    Raises:
        PatinaError: A project is named twice, or a file cannot be written.
    """
    roots = [project.root.resolve() for project in projects]
    for root in roots:
        if roots.count(root) > 1:
            raise PatinaError(f"--project: {root} is named twice: name each project once")
    home = prepare_home(projects[0]) if len(projects) == 1 else _prepared(mothership().dagster_home, projects)
    locations = location_names(projects)
    for name, project in locations.items():
        prefix = [] if len(projects) == 1 else [name]
        write_if_changed(_location_file(home, name), _location_module(project.root, prefix).encode())
    load_from = [
        {
            "python_file": {
                "relative_path": str(_location_file(home, name).relative_to(home)),
                "location_name": name,
                "working_directory": str(_location_file(home, name).parent),
            }
        }
        for name in locations
    ]
    write_if_changed(home / WORKSPACE_FILE, yaml.safe_dump({"load_from": load_from}).encode())
    return home


def _prepared(home: Path, projects: Sequence[Project]) -> Path:
    """Return a home that is ours alone, with settings in it; where it is new, tell of the older homes of projects."""
    is_new = not os.path.lexists(home)
    make_exclusive_folder(home)
    settings = home / "dagster.yaml"
    if not settings.exists():  # its user may have changed it
        write_if_changed(settings, instance_settings())
    for older in (project.older_dagster_home for project in projects if is_new):
        if os.path.lexists(older):
            print(
                f"patina: Dagster's records of runs begin anew in {home}. {older} is not read any more. "
                f"Delete it with: rm -r {shlex.quote(str(older))}",
                file=sys.stderr,
            )
    return home


def _location_file(home: Path, name: str) -> Path:
    # The file is imported under its name, which must be that of no other module.
    return home / "locations" / f"patina_location_{name}.py"


def _location_module(root: Path, prefix: Sequence[str]) -> str:
    return (
        '"""Written by `patina ui`: one project as a Dagster code location."""\n\n'
        "from pathlib import Path\n\n"
        "from patina_assets.definitions import project_definitions\n"
        "from patina_assets.orchestration.records import open_records, print_no_runs\n\n"
        "print_no_runs()\nopen_records()\n"
        f"defs = project_definitions(Path({str(root)!a}), {json.dumps(list(prefix))})\n"
    )
