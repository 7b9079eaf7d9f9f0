"""A checkout of a fleet as a project: with the recipe and the settings that the fleet gives it.

The repository's own recipe is used where the fleet names none, else `base` alone. Of the repository's config.toml, what
says how it is read is kept. The place of an eventlog, models of its own and a cache are not: many repositories share a
machine here, and nobody looks at each.
"""

import json

import yaml

from patina_resources.documents.yaml_file import read_yaml
from patina_resources.errors import PatinaError
from patina_resources.fleet.clones import check_out
from patina_resources.fleet.model import FleetProject, settings_key
from patina_resources.project.config import ProjectConfig
from patina_resources.project.project import Project, project_at
from patina_resources.store.files import write_if_changed

BASE_ALONE = (
    b"# Written by `patina fleet`: neither the fleet nor the repository has a recipe.\nversion: 2\nprojections: {}\n"
)
MODEL_KEY = "embedding_model"


def checked_out(entry: FleetProject, version: str) -> tuple[Project, str]:
    """Check out what was fetched last of a repository, and return it as a project, with its commit.

    Args:
        entry: The repository.
        version: Of the program; see `settings_key`.

    Raises:
        PatinaError: Nothing was fetched, something below `.patina` is a link or no plain file, or a recipe or settings
            are wrong.
    """
    head = check_out(entry, settings_key(entry, version))
    project = project_at(entry.root)
    write_if_changed(project.config_file, _config(entry, project.config))
    write_if_changed(project.recipe, _recipe(entry, project))
    return project_at(entry.root), head


def _config(entry: FleetProject, config: ProjectConfig) -> bytes:
    lines = ["# Written by `patina fleet` from fleet.toml and the repository's own settings.", "[project]"]
    lines.append(f"name = {_text(entry.name)}")
    model = entry.model or config.embedding_model
    lines += ["[embeddings]", f"model = {_text(model)}"] if model else []
    lines += ["[sessions]", f"globs = [{', '.join(map(_text, config.session_globs))}]"]
    lines += ["[code]", f"include = [{', '.join(map(_text, config.code_include))}]"]
    return "".join(f"{line}\n" for line in lines).encode()


def _text(text: str) -> str:
    """Return a text as TOML's basic string: JSON's, but for one character."""
    return json.dumps(text.encode("utf-8", "replace").decode()).replace("\x7f", "\\u007f")


def _recipe(entry: FleetProject, project: Project) -> bytes:
    path = entry.recipe or project.recipe
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        if entry.recipe is None:
            return BASE_ALONE
        raise PatinaError(f"{path}: no such file: expected the recipe that fleet.toml names") from None
    document = read_yaml(path).table
    if entry.model is None or document.get(MODEL_KEY) in (None, entry.model):
        return text
    return yaml.safe_dump({**document, MODEL_KEY: entry.model}, sort_keys=False).encode()
