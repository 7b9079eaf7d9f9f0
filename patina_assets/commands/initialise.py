"""`patina init`: writes settings, .gitignore lines, and a recipe of what the eventlog has signal for."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from patina_assets.commands.project_models import offer_missing
from patina_assets.commands.questions import ask
from patina_assets.pairs.relations import relate, related_texts, unique_texts
from patina_assets.pairs.triplet import sample_triplets
from patina_assets.pairs.types import PAIR_TYPES
from patina_assets.pipeline.build import MINIMUM_PAIRS
from patina_assets.recipe.model import ProjectionType
from patina_resources.embedding.side_by_side import part_names
from patina_resources.errors import PatinaError
from patina_resources.eventlog.reader import Eventlog
from patina_resources.models.registry import CORPUS_STATIC, is_hub_name
from patina_resources.models.registry_files import load_registry
from patina_resources.project.known_projects import register_project
from patina_resources.project.project import Project, open_project
from patina_resources.store.files import write_atomic
from patina_resources.store.mothership import mothership

GITIGNORE_LINES = (".patina/data/", ".patina/local/")
CONFIG = """# Settings of Patina for this repository; shared through git.
[project]
name = {name}

[embeddings]
# The base model. corpus-static is built from this project's own texts; `patina model list` shows the others.
model = {model}

# [eventlog]
# path = ".patina/data/patina.db"

# What happens alone while `patina ui` runs, with the defaults:
# [automation]
# sensor = true               # rebuild what went stale
# interval_seconds = 10       # how often it looks
# settle_seconds = 5          # how long nothing must have been written before
# nightly = true              # once a night, what the sensor has given up included
# cron = "0 3 * * *"
# timezone = "UTC"
# webhook = "https://..."     # is told of failed runs; .patina/data/failures.log always is
"""
RECIPE_HEAD = """# What Patina learns from this repository: each projection becomes a search index.
# Change a line and run `patina oxidize`: only what depends on it is built again.
version: 2

projections:
"""
PROJECTION = """  {name}:  # {purpose}
{type}    layers: [{hidden}, {output}]
    training:
      source: {source}
      pair_type: {pair_type}
      epochs: 10
"""


@dataclass(frozen=True)
class Suggestion:
    """A projection that `init` may put into a recipe.

    Attributes:
        name: Its name in the recipe.
        pair_type: What it learns from.
        purpose: What it finds, for the comment.
        type: As in a recipe; `dimension` is the default and not written.
        without_eventlog: Propose it where there is no eventlog yet.
        instead_of: A pair type: this one is proposed only where that has no signal and this has.
    """

    name: str
    pair_type: str
    purpose: str
    type: ProjectionType = "dimension"
    without_eventlog: bool = False
    instead_of: str | None = None


SUGGESTIONS = (
    Suggestion("semantic", "same_session", "notes that belong to the same work session"),
    Suggestion("semantic", "commit_touches", "files that a commit's subject line means", instead_of="same_session"),
    Suggestion("temporal", "co_changed", "files that change together", without_eventlog=True),
    Suggestion("dependency", "caller_callee", "functions that call each other"),
    Suggestion("syntactic", "ast_similar", "functions with a similar signature"),
    Suggestion("architectural", "same_module", "functions of the same module"),
    Suggestion("social", "same_author", "commits and files of the same author"),
    Suggestion("state-encoder", "state_similarity", "times when the same files were worked on", "world-model"),
    Suggestion("action-encoder", "effect_similarity", "commits with a similar effect", "world-model"),
)
HIDDEN, OUTPUT = 1024, 256


def initialise(path: Path, model: str | None = None) -> list[str]:
    """Prepare the repository at or above `path` and return what was done, a line each. Nothing is overwritten.

    Args:
        path: The repository or a folder in it.
        model: The base model to write into config.toml; None asks on a terminal, and takes corpus-static elsewhere.

    Raises:
        PatinaError: The folder does not exist or cannot be written, or the model is unknown.
    """
    if not path.is_dir():
        raise PatinaError(f"{path}: not a folder: expected a repository")
    root = repository_root(path.absolute())
    project = open_project(root)
    model = _chosen_model(project, model)
    lines = [
        _write_new(project.config_file, CONFIG.format(name=_toml_text(root.name), model=_toml_text(model))),
        _write_new(project.recipe, recipe_text(project)),
        _ignore(root / ".gitignore"),
    ]
    register_project(mothership(), root)
    offer_missing(project, model)
    next_step = "patina oxidize" if project.eventlog().exists() else "patina materialize"
    return [*lines, f"next: {next_step}"]


def _chosen_model(project: Project, asked_for: str | None) -> str:
    """Return the model: what was asked for, what config.toml has, what the user types, or corpus-static."""
    configured = project.config.embedding_model
    model = asked_for or configured or ask("base model", default=CORPUS_STATIC)
    if asked_for and configured and asked_for != configured:
        raise PatinaError(f"{project.config_file}: [embeddings] model is {configured!r}: change it there")
    registry = load_registry(mothership(), project)
    for part in part_names(model):
        if not is_hub_name(part):
            registry.resolve(part)
    return model


def repository_root(path: Path) -> Path:
    """Return the folder at or above `path` that holds `.git`, else `path` itself."""
    return next((folder for folder in (path, *path.parents) if (folder / ".git").exists()), path)


def recipe_text(project: Project) -> str:
    """Return a recipe: projections with signal as they are, the others commented out with what they lack."""
    signal = _signal(project)
    blocks = []
    for suggestion in _not_replaced(signal):
        pair_type = PAIR_TYPES[suggestion.pair_type]
        block = PROJECTION.format(
            name=suggestion.name,
            purpose=suggestion.purpose,
            type="" if suggestion.type == "dimension" else f"    type: {suggestion.type}\n",
            hidden=HIDDEN,
            output=OUTPUT,
            source=pair_type.source.name,
            pair_type=pair_type.name,
        )
        if signal[suggestion.pair_type]:
            blocks.append(block)
        else:
            lacking = f"  # {suggestion.name} needs {pair_type.missing}; take the # away when the eventlog has them.\n"
            blocks.append(lacking + "".join(f"  # {line[2:]}\n" for line in block.splitlines()))
    return RECIPE_HEAD + "\n".join(blocks)


def _not_replaced(signal: Mapping[str, bool]) -> list[Suggestion]:
    """Return one suggestion for each name: a substitute where it has signal and the first choice has none."""
    substitutes = {
        suggestion.instead_of: suggestion
        for suggestion in SUGGESTIONS
        if suggestion.instead_of and signal[suggestion.pair_type] and not signal[suggestion.instead_of]
    }
    return [
        substitutes.get(suggestion.pair_type, suggestion) for suggestion in SUGGESTIONS if not suggestion.instead_of
    ]


def _signal(project: Project) -> Mapping[str, bool]:
    """Return which of the suggested pair types the eventlog has enough related pairs for."""
    path = project.eventlog()
    if not path.exists():
        return {suggestion.pair_type: suggestion.without_eventlog for suggestion in SUGGESTIONS}
    return {suggestion.pair_type: _has_signal(Eventlog(path), suggestion.pair_type) for suggestion in SUGGESTIONS}


def _has_signal(eventlog: Eventlog, pair_type_name: str) -> bool:
    """Return whether there are enough related pairs, and something to tell them apart from."""
    pair_type = PAIR_TYPES[pair_type_name]
    rows = {name: read.rows for name, read in eventlog.read(pair_type.sources).items()}
    data = pair_type.derive(rows)
    relations = relate(unique_texts(data.items)[0], data.contexts, data.apart)
    related = related_texts(relations)
    enough = related.keys.size // 2 >= MINIMUM_PAIRS
    return enough and bool(sample_triplets(relations, related, MINIMUM_PAIRS, seed=0).size)


def _write_new(path: Path, text: str) -> str:
    if path.exists():
        return f"kept     {path}"
    write_atomic(path, text.encode())
    return f"written  {path}"


def _ignore(path: Path) -> str:
    if path.is_symlink():
        raise PatinaError(f"{path}: is a symbolic link, which git does not read either: expected a plain file")
    present = path.read_text("utf-8", "surrogateescape") if path.exists() else ""
    missing = [line for line in GITIGNORE_LINES if line not in present.splitlines()]
    if not missing:
        return f"kept     {path}"
    separator = "" if not present or present.endswith("\n") else "\n"
    write_atomic(path, (present + separator + "\n".join(missing) + "\n").encode("utf-8", "surrogateescape"))
    return f"written  {path} ({', '.join(missing)})"


def _toml_text(text: str) -> str:
    escaped = "".join(
        f"\\u{ord(letter):04x}" if ord(letter) < 32 or ord(letter) == 127 else letter
        for letter in text.encode("utf-8", "replace").decode().replace("\\", "\\\\").replace('"', '\\"')
    )
    return f'"{escaped}"'
