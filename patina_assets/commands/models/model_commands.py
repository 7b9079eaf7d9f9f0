"""`patina model ...`: what each command does, and how it reads on a terminal."""

from dataclasses import asdict
from pathlib import Path

from patina_assets.commands.models.project_models import (
    missing_models,
    place_named_by_project,
    project_models,
    question,
    uses,
)
from patina_assets.pipeline.plain_text import json_text, one_line
from patina_assets.pipeline.tables import size_text
from patina_assets.terminal.output import print_table
from patina_assets.terminal.questions import confirm, say_on_stderr
from patina_resources.embedding.side_by_side import part_names
from patina_resources.errors import PatinaError
from patina_resources.models.add.add import Added, add_model
from patina_resources.models.cache import CachedModel, cached_models, model_state, remove_model, verify_model
from patina_resources.models.provenance import origin_of
from patina_resources.models.references import JOINT, PROJECT_PREFIX, is_hub_name, reference_of, shown_key, split_key
from patina_resources.models.registry import CORPUS_STATIC, Precision, Registry
from patina_resources.models.registry_files import load_registry, plugin_problems
from patina_resources.models.status import ModelRow, cached_row, model_row, model_rows
from patina_resources.models.stores import all_records, stores
from patina_resources.project.known_projects import known_projects
from patina_resources.project.project import Project, find_project, find_root
from patina_resources.store.mothership import Mothership, mothership

READY = ("ready", "built in")


def project_here() -> Project | None:
    """Return the project of the working folder, or None outside of projects."""
    try:
        root = find_root()
    except PatinaError:
        return None
    return find_project(root)


def _projects(home: Mothership) -> list[Path]:
    """Return the roots of the known projects, and of the one that one stands in."""
    here = project_here()
    return [*known_projects(home), *([here.root] if here is not None else [])]


def print_models(*, as_json: bool) -> None:
    """Print the registry beside the cache, as a table or as JSON: a list of objects with the fields of `ModelRow`."""
    home = mothership()
    rows = model_rows(home, load_registry(home, project_here()), _projects(home))
    for problem in plugin_problems():
        say_on_stderr(f"patina: {problem}")
    if as_json:
        print(json_text([asdict(row) for row in rows]))
        return
    lines = [
        (
            row.name,
            row.dims,
            f"✓ {row.state}" if row.state in READY else row.state,
            row.pin or "-",
            row.precision or "-",
            size_text(row.bytes_on_disk) if row.bytes_on_disk else f"{row.download_mb} MB" if row.download_mb else "-",
            row.downloaded[:10] or "-",
            row.licence,
            row.origin or "-",
            row.project or row.description,
        )
        for row in rows
    ]
    total = sum(row.bytes_on_disk for row in rows)
    header = ("model", "dims", "state", "SHA-256", "precision", "size", "downloaded", "licence", "from", "description")
    places = " and ".join(str(store.home) for store in stores(home))
    print_table(header, lines)
    print(f"cache: {size_text(total)} in {places}")


def add(name: str, precision: Precision | None, folder: Path | None, *, yes: bool = False) -> str:
    """Bring a model into the cache and return what was done.

    Raises:
        PatinaError: It cannot be added, or its project says where to download it from and nobody agrees.
    """
    home, project = mothership(), project_here()
    name = name.removeprefix(PROJECT_PREFIX)
    if name == CORPUS_STATIC:
        raise PatinaError(
            f"{CORPUS_STATIC} is built from each project's own texts: `patina oxidize` builds it, "
            "`patina oxidize --full` builds it again"
        )
    registry = load_registry(home, project)
    if project is not None and folder is None and not is_hub_name(name):
        _agree_with_project(registry, project, name, yes=yes)
    added = add_model(home, registry, name, precision, folder, say_on_stderr)
    if not added.downloaded:
        return f"{added.spec.reference} is in the cache already: {added.folder}"
    say_on_stderr(
        f"next: write `embedding_model: {added.spec.reference}` into .patina/oxidize.yaml, then run `patina oxidize`"
    )
    return added_text(added, home.own / "models.lock")


def added_text(added: Added, lock: Path) -> str:
    """Return what was added: from where, how large, what was verified against what, and where it lies."""
    record = added.record
    size = f"{size_text(record.size_bytes)}, {record.precision}, {added.spec.dims} dimensions"
    digests = f"SHA-256 {record.sha256_model[:12]} (model), {record.sha256_tokenizer[:12]} (tokenizer)"
    return (
        f"added {shown_key(added.spec.key)}\n"
        f"  from      {one_line(origin_of(record))}\n"
        f"  size      {size}\n"
        f"  verified  {_verified(added)}\n"
        f"  recorded  {digests}, in {lock}\n"
        f"  lies in   {added.folder}"
    )


def _verified(added: Added) -> str:
    if added.pin == "not met":
        return "no: these are not the bytes that the registry pins"
    if added.pin == "met":
        return "SHA-256 of all files, against those that the registry pins"
    if added.kind == "hub":
        return "digests of all files, against those that the hub states; the registry pins none"
    return f"the {added.kind} states no digests to compare with"


def remove(name: str, *, yes: bool) -> str:
    """Delete a model's files and return what was freed; its record stays in models.lock.

    Args:
        name: As a recipe writes it, or as models.lock does.
        yes: Do not ask.

    Raises:
        PatinaError: There is no such model in the cache, or nobody is there to confirm.
    """
    home = mothership()
    key = _recorded_key(home, name)
    shown = shown_key(key)
    if model_state(home, key) is None:
        raise PatinaError(f"{shown} is not in the cache: `patina model list` shows what is")
    users = [str(root) for root, used in project_models(home) if uses(home, root, used, key)]
    used_by = f" (used by {', '.join(users)})" if users else ""
    if not yes and not confirm(f"remove {shown}{used_by} from the cache?", default=False):
        raise PatinaError(f"{shown}{used_by} was not removed: confirm with `patina model remove {name} --yes`")
    freed = remove_model(home, key)
    consequence = f"; {', '.join(users)} must add it again before the next build" if users else ""
    return f"removed {shown}, {size_text(freed)} freed; its record stays in {home.own / 'models.lock'}{consequence}"


def status(*, as_json: bool = False) -> bool:
    """Print every known project with its model and the command that is due; return whether all are ready."""
    home = mothership()
    rows: list[tuple[str, str, str, str]] = []
    for root, used in project_models(home):
        try:
            registry = load_registry(home, find_project(root))
            parts = [model_row(home, registry, part) for part in part_names(used)]
            state = next((row.state for row in parts if row.state not in READY), parts[0].state)
            command = " && ".join(row.command for row in parts if row.command)
            rows.append((str(root), JOINT.join(row.name for row in parts), state, command or "-"))
        except PatinaError as error:
            rows.append((str(root), used or "-", "unknown", str(error)))
    cached = _cached_rows(home, cached_models(home))
    header = ("project", "model", "state", "command")
    if as_json:
        projects = [dict(zip(header, row, strict=True)) for row in rows]
        print(json_text({"models": [asdict(row) for row in cached], "projects": projects}))
    else:
        lines = [
            (m.name, m.state, m.pin or "-", size_text(m.bytes_on_disk), m.origin, m.project or "-") for m in cached
        ]
        print_table(("model", "state", "SHA-256", "size", "from", "project"), lines)
        print()
        print_table(header, rows)
    return all(command == "-" for *_, command in rows)


def verify(name: str | None, *, as_json: bool = False) -> bool:
    """Re-hash one model or all of them, and print a table; return whether all are intact and pinned."""
    home = mothership()
    keys = [_recorded_key(home, name)] if name else [model.key for model in cached_models(home)]
    checked = [verify_model(home, key) for key in keys]
    rows = _cached_rows(home, checked)
    problems = [_problem(row, model) for row, model in zip(rows, checked, strict=True)]
    if as_json:
        print(json_text([{**asdict(row), "problem": text} for row, text in zip(rows, problems, strict=True)]))
    else:
        lines = [
            (row.name, row.state, row.pin or "-", text or "-", row.origin, row.project or "-")
            for row, text in zip(rows, problems, strict=True)
        ]
        print_table(("model", "state", "SHA-256", "problem", "from", "project"), lines)
    return all(row.state == "ready" for row in rows)


def _cached_rows(home: Mothership, models: list[CachedModel]) -> list[ModelRow]:
    registry, projects = load_registry(home, project_here()), _projects(home)
    return [cached_row(home, registry, model, projects) for model in models]


def _problem(row: ModelRow, model: CachedModel) -> str:
    reference = reference_of(split_key(model.key)[1])
    if row.state == "not the pinned bytes":
        return f"`patina model remove {reference}` and `patina model add {reference}` get those that are pinned"
    return f"{model.problem}: run `patina model add {reference}`" if model.problem else ""


def _recorded_key(home: Mothership, name: str) -> str:
    """Return the key of the model that a name means here; of one that only models.lock knows, the name itself.

    Raises:
        PatinaError: There is no such model.
    """
    if name in all_records(home) and "/" in name:
        return name
    try:
        return load_registry(home, project_here()).resolve(name.removeprefix(PROJECT_PREFIX)).key
    except PatinaError:
        if name not in all_records(home):
            raise
        return name


def _agree_with_project(registry: Registry, project: Project, name: str, *, yes: bool) -> None:
    """Ask before a place is asked for bytes that only the project names.

    Raises:
        PatinaError: Nobody agrees.
    """
    place = place_named_by_project(registry, name)
    if place is None or yes or name not in missing_models(project, name):
        return
    asked = question(project, name, place)
    if not confirm(asked, default=False):
        raise PatinaError(f"{asked.rpartition(':')[0]}: it was not added: confirm with `patina model add {name} --yes`")
