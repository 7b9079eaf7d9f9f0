"""Dagster instances: a project's own home, the home that several projects share, and the web UI over either."""

import json
import os
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path

import yaml

from patina_assets.reload import UI_VARIABLE
from patina_resources.errors import PatinaError
from patina_resources.project import PROJECT_VARIABLE, Project, mothership
from patina_resources.store.files import write_if_changed

WORKSPACE_FILE = "workspace.yaml"
TICK_SECONDS = "1800"


def instance_settings() -> bytes:
    """Return the content of dagster.yaml, the same for every project."""
    return (files("patina_assets") / "dagster.yaml").read_bytes()


def prepare_home(project: Project) -> Path:
    """Return the project's DAGSTER_HOME, made and configured where it is not yet."""
    return _prepared(project.dagster_home)


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
    home = prepare_home(projects[0]) if len(projects) == 1 else _prepared(mothership().dagster_home)
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


def serve(projects: Sequence[Project], port: int) -> int:
    """Replace this process by the web UI and its daemon, on 127.0.0.1; returns only if that fails."""
    home = prepare_workspace(projects)
    # Python imports from the working folder first: not from a project that may have a yaml.py of its own.
    os.chdir(home)
    named = ", ".join(str(project.root) for project in projects)
    print(f"Dagster for {named}: {_url(port)} (stop with Ctrl-C)", file=sys.stderr, flush=True)
    arguments = ["-m", "dagster", "dev", "-h", "127.0.0.1", "-p", str(port), "-w", str(home / WORKSPACE_FILE)]
    # A shell that starts this in the background leaves Ctrl-C ignored, and Dagster could then not be stopped.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.execve(sys.executable, [sys.executable, *arguments], os.environ | ui_environment(projects, home, port))


def ui_environment(projects: Sequence[Project], home: Path, port: int) -> Mapping[str, str]:
    """Return what the web UI's processes need beside the environment of this one."""
    return {
        "DAGSTER_HOME": str(home),
        "DAGSTER_DISABLE_TELEMETRY": "1",
        # Dagster gives a tick 60 s; to look at some million events that have changed takes longer on a busy machine.
        "DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS": TICK_SECONDS,
        "DAGSTER_SCHEDULE_GRPC_TIMEOUT_SECONDS": TICK_SECONDS,
        PROJECT_VARIABLE: str(projects[0].root),
        UI_VARIABLE: _url(port),
    }


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def _prepared(home: Path) -> Path:
    settings = home / "dagster.yaml"
    if not settings.exists():  # its user may have changed it
        write_if_changed(settings, instance_settings())
    return home


def _location_file(home: Path, name: str) -> Path:
    # The file is imported under its name, which must be that of no other module.
    return home / "locations" / f"patina_location_{name}.py"


def _location_module(root: Path, prefix: Sequence[str]) -> str:
    return (
        '"""Written by `patina ui`: one project as a Dagster code location."""\n\n'
        "from pathlib import Path\n\n"
        "from patina_assets.definitions import project_definitions\n\n"
        f"defs = project_definitions(Path({json.dumps(str(root))}), {json.dumps(list(prefix))})\n"
    )
