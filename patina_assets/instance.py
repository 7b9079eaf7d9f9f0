"""The project's own Dagster instance: its home, runs on it, and the web UI over it."""

import os
import sys
from importlib.resources import files
from pathlib import Path

from patina_resources.artifacts import write_if_changed
from patina_resources.project import PROJECT_VARIABLE, Project


def instance_settings() -> bytes:
    """Return the content of dagster.yaml, the same for every project."""
    return (files("patina_assets") / "dagster.yaml").read_bytes()


def prepare_home(project: Project) -> Path:
    """Return the project's DAGSTER_HOME, made and configured where it is not yet."""
    home = project.dagster_home
    settings = home / "dagster.yaml"
    if not settings.exists():
        write_if_changed(settings, instance_settings())
    return home


def serve(project: Project, port: int) -> int:
    """Replace this process by the web UI and its daemon, on 127.0.0.1; returns only if that fails."""
    environment = os.environ | {
        "DAGSTER_HOME": str(prepare_home(project)),
        PROJECT_VARIABLE: str(project.root),
        "DAGSTER_DISABLE_TELEMETRY": "1",
    }
    os.chdir(project.root)
    print(f"Dagster for {project.root}: http://127.0.0.1:{port} (stop with Ctrl-C)", file=sys.stderr, flush=True)
    module = ["-m", "dagster", "dev", "-h", "127.0.0.1", "-p", str(port), "-m", "patina_assets.definitions"]
    os.execve(sys.executable, [sys.executable, *module], environment)
