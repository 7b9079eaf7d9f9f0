"""`patina model ...`: what each command does, and how it reads on a terminal."""

import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from patina_assets.models import model_name
from patina_assets.pairs import pair_types_by_source
from patina_assets.plain_text import json_text
from patina_assets.recipe_reader import read_recipe
from patina_assets.terminal import size_text, table
from patina_resources.errors import PatinaError
from patina_resources.known_projects import known_projects
from patina_resources.model_add import add_model, import_project_model
from patina_resources.model_cache import CachedModel, cached_models, model_state, remove_model, verify_model
from patina_resources.model_status import model_row, model_rows
from patina_resources.project import Mothership, Project, find_project, mothership
from patina_resources.registry import CORPUS_STATIC, HUB_PREFIX, JOINT, Precision, Registry, reference_of
from patina_resources.registry_files import load_registry
from patina_resources.side_by_side import part_names, resolve_base

Say = Callable[[str], None]


def say_on_stderr(line: str) -> None:
    """Print a line of progress."""
    print(line, file=sys.stderr, flush=True)


def registry_here(home: Mothership) -> Registry:
    """Return the registry as the project of the working folder sees it, or the user's own outside of projects."""
    try:
        project = find_project()
    except PatinaError:
        return load_registry(home)
    return registry_of(project, home)


def registry_of(project: Project, home: Mothership) -> Registry:
    """Return the registry with a project's own models."""
    return load_registry(home, project.config.models, project.config_file)


def list_models(*, as_json: bool) -> str:
    """Return the registry beside the cache, as a table or as JSON."""
    home = mothership()
    rows = model_rows(home, registry_here(home))
    if as_json:
        return json_text([asdict(row) for row in rows])
    lines = [
        (
            row.name,
            row.dims,
            row.state,
            row.precision or "-",
            size_text(row.bytes_on_disk) if row.bytes_on_disk else f"{row.download_mb} MB" if row.download_mb else "-",
            row.downloaded[:10] or "-",
            row.licence,
            row.description,
        )
        for row in rows
    ]
    total = sum(row.bytes_on_disk for row in rows)
    header = ("model", "dims", "state", "precision", "size", "downloaded", "licence", "description")
    return f"{table(header, lines)}\ncache: {size_text(total)} in {home.home}"


def add(name: str, precision: Precision | None, folder: Path | None) -> str:
    """Bring a model into the cache and return what was done."""
    home = mothership()
    if name == CORPUS_STATIC:
        raise PatinaError(
            f"{CORPUS_STATIC} is built from each project's own texts: `patina oxidize` builds it, "
            "`patina oxidize --full` builds it again"
        )
    added = add_model(home, registry_here(home), name, precision, folder, say_on_stderr)
    where = home.model_folder(added.spec.name)
    if not added.downloaded:
        return f"{added.spec.reference} is in the cache already: {where}"
    shape = f"{added.record.precision}, {added.spec.dims} dimensions"
    return f"added {added.spec.reference} ({shape}) from {added.source}: {where}"


def remove(name: str, *, yes: bool) -> str:
    """Delete a model's files and return what was freed; its record stays in models.lock.

    Raises:
        PatinaError: There is no such model in the cache, or nobody is there to confirm.
    """
    home = mothership()
    spec = registry_here(home).resolve(name)
    if model_state(home, spec.name) is None:
        raise PatinaError(f"{spec.reference} is not in the cache: `patina model list` shows what is")
    users = [str(root) for root, used in _project_models() if _uses(root, used, spec.reference)]
    used_by = f" (used by {', '.join(users)})" if users else ""
    if not yes and not confirm(f"remove {spec.reference}{used_by} from the cache?", default=False):
        confirmed = f"patina model remove {name} --yes"
        raise PatinaError(f"{spec.reference}{used_by} was not removed: confirm with `{confirmed}`")
    freed = remove_model(home, spec.name)
    consequence = f"; {', '.join(users)} must add it again before the next build" if users else ""
    return f"removed {spec.reference}, {size_text(freed)} freed; its record stays in {home.models_lock}{consequence}"


def status() -> tuple[str, bool]:
    """Return every known project with its model and the command that is due, and whether all are ready."""
    home = mothership()
    rows: list[tuple[str, str, str, str]] = []
    for root, used in _project_models():
        try:
            registry = registry_of(find_project(root), home)
            parts = [model_row(home, registry, part) for part in part_names(used)]
            state = next((row.state for row in parts if row.command), parts[0].state)
            command = " && ".join(row.command for row in parts if row.command)
            rows.append((str(root), JOINT.join(row.name for row in parts), state, command or "-"))
        except PatinaError as error:
            rows.append((str(root), used or "-", "unknown", str(error)))
    cache = table(
        ("model", "state", "size"), [(m.name, m.state, size_text(m.bytes_on_disk)) for m in cached_models(home)]
    )
    projects = table(("project", "model", "state", "command"), rows)
    return f"{cache}\n\n{projects}", all(state in {"ready", "built in"} for _, _, state, _ in rows)


def verify(name: str | None) -> tuple[str, bool]:
    """Re-hash one model or all of them; return a table and whether all are intact."""
    home = mothership()
    names = [registry_here(home).resolve(name).name] if name else [model.name for model in cached_models(home)]
    checked = [verify_model(home, entry) for entry in names]
    lines = [(model.name, model.state, _problem_and_command(model)) for model in checked]
    return table(("model", "state", "problem"), lines), all(model.state == "ready" for model in checked)


def _problem_and_command(model: CachedModel) -> str:
    return f"{model.problem}: run `patina model add {reference_of(model.name)}`" if model.problem else "-"


def prepare_model(project: Project, name: str, *, may_add: bool) -> None:
    """Make sure that the model (or models side by side) that a project names is here, if it may be without asking.

    A model that an older project keeps beside its sources is copied to the cache in any case.

    Raises:
        PatinaError: There is no such model, or it could not be added.
    """
    home = mothership()
    registry = registry_of(project, home)
    for part in part_names(name):
        if not part.startswith(HUB_PREFIX) and import_project_model(home, registry, project.root, part, say_on_stderr):
            continue
        if may_add and part != CORPUS_STATIC and missing_models(project, part):
            add_model(home, registry, part, say=say_on_stderr)


def missing_models(project: Project, name: str) -> list[str]:
    """Return which of the models side by side that a project names are not in the cache, as far as file sizes tell."""
    return [part for part in part_names(name) if not _model_here(project, part)]


def _model_here(project: Project, name: str) -> bool:
    try:
        return not model_row(mothership(), registry_of(project, mothership()), name).command
    except PatinaError:
        return False


def ask(question: str, *, default: str) -> str:
    """Ask for a line on the terminal; without a terminal, or for an empty line, return the default."""
    if not _somebody_there():
        return default
    print(f"{question} [{default}]: ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip() or default


def confirm(question: str, *, default: bool) -> bool:
    """Ask on the terminal and return the answer; without a terminal nothing is asked and the answer is no."""
    if not _somebody_there():
        return False
    print(f"{question} [{'Y/n' if default else 'y/N'}] ", end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline().strip().lower()
    return default if not answer else answer in {"y", "yes"}


def _uses(root: Path, used: str, reference: str) -> bool:
    """Return whether what a project names means the model of that reference, alone or beside others."""
    try:
        base = resolve_base(registry_of(find_project(root), mothership()), used)
    except PatinaError:
        return reference in used.split(JOINT)
    return any(part.reference == reference for part in base.parts)


def _somebody_there() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _project_models() -> list[tuple[Path, str]]:
    """Return every known project that still exists, and the model that it names ("" where that cannot be read)."""
    found: list[tuple[Path, Any]] = []
    for root in known_projects(mothership()):
        try:
            project = find_project(root)
            if project.root != root:
                continue
            recipe = read_recipe(project.recipe, pair_types_by_source())
            found.append((root, model_name(recipe, project)))
        except PatinaError:
            if (root / ".patina").is_dir():
                found.append((root, ""))
    return found
