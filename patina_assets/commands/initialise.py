"""`patina init`, before it builds: settings, .gitignore lines, and a recipe of what the eventlog has signal for."""

import hashlib
import re
import stat
from pathlib import Path

from patina_assets.orchestration.instance import prepare_home
from patina_assets.pairs.types import PAIR_TYPES, pair_types_by_source
from patina_assets.recipe.reader import read_recipe
from patina_assets.upkeep.suggestions import Suggestion, signals, unused, without_replaced
from patina_resources.errors import PatinaError
from patina_resources.project.known_projects import register_project
from patina_resources.project.project import Project, project_at
from patina_resources.store.files import write_atomic
from patina_resources.store.mothership import HOME_VARIABLE, mothership

GITIGNORE_LINES = (".patina/data/", ".patina/local/")
CONFIG = """# Settings of Patina for this repository; shared through git.
[project]
name = {name}

[embeddings]
# The base model. corpus-static is built from this project's own texts, and english-static comes with Patina;
# `patina model list` shows the others.
model = {model}

# [eventlog]
# path = ".patina/data/patina.db"

# What `patina ui` does by itself while it runs, with the defaults:
# [automation]
# sensor = true               # rebuild what went stale
# interval_seconds = 10       # how often it looks
# settle_seconds = 5          # how many seconds without a write it waits for
# nightly = true              # once a night, also what the sensor tries no more
# cron = "0 3 * * *"
# timezone = "UTC"
"""
# Of a recipe that nobody has edited, which `init` may write anew.
MARK = re.compile(r"^# Written by `patina init` \(([0-9a-f]{16})\).*\n", re.MULTILINE)
RECIPE_MARK = "# Written by `patina init` ({digest}): until somebody edits it, `patina init` keeps it up to date.\n"
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


HIDDEN, OUTPUT = 1024, 256


def open_repository(path: Path) -> Project:
    """Return the project of the repository at or above `path`, whether or not it is prepared.

    Raises:
        PatinaError: The folder does not exist, or its settings would take the place of the user's own.
    """
    if not path.is_dir():
        raise PatinaError(f"{path}: no such folder: expected a repository, or a folder in one")
    root = repository_root(path.absolute())
    if mothership().is_at(root / ".patina"):
        raise PatinaError(
            f"{root}: its folder .patina holds your own settings and models: run `patina init` in another folder, "
            f"or set {HOME_VARIABLE} to another place"
        )
    return project_at(root)


def prepare_repository(project: Project) -> list[str]:
    """Make what everything else needs: ignored folders, and a home; return what was done, a line each.

    Raises:
        PatinaError: Something cannot be written.
    """
    lines = [_ignore(project.root / ".gitignore")]
    register_project(mothership(), project.root)
    prepare_home(project)  # so that Dagster's own commands find it before the first build
    return lines


def write_settings(project: Project, model: str) -> tuple[Project, str]:
    """Write config.toml unless there is one; return the project with its settings, and what was done.

    Args:
        project: The project.
        model: The base model to write into it.

    Raises:
        PatinaError: It cannot be written.
    """
    text = CONFIG.format(name=_toml_text(project.root.name), model=_toml_text(model))
    line = _write_new(project.config_file, text)
    return project_at(project.root), line


def write_recipe(project: Project) -> str:
    """Write a recipe of what has signal, unless somebody has written or edited one; return what was done.

    Raises:
        PatinaError: The eventlog cannot be read, or the recipe cannot be written.
    """
    path = project.recipe
    there, end = _read_lines(path) if path.exists() else (None, "\n")
    if there is not None and not is_unedited(there):
        return f"kept     {path}"
    text = recipe_text(project)
    if text == there:
        return f"kept     {path}"
    _write_lines(path, text, end)
    return f"written  {path}"


def update_recipe(project: Project) -> list[str]:
    """Add to a recipe what has signal and is not in it; return what was done, a line each.

    One that nobody has edited is written anew. In another one, projections are added below those that are there.

    Raises:
        PatinaError: The eventlog or the recipe cannot be read, or the recipe cannot be written.
    """
    path = project.recipe
    if not path.exists() or is_unedited(_read_lines(path)[0]):
        return [write_recipe(project)]
    recipe = read_recipe(path, pair_types_by_source())
    new = unused(project, recipe)
    if not new:
        return [f"kept     {path}: it has all that has signal"]
    before, end = _read_lines(path)
    _write_lines(path, _with_projections(before, "\n".join(projection_text(entry) for entry in new)), end)
    try:
        read_recipe(path, pair_types_by_source())
    except PatinaError:  # another form of YAML than `init` writes
        _write_lines(path, before, end)
        blocks = [line for entry in new for line in projection_text(entry).splitlines()]
        return [f"kept     {path}: its form is another one: to have these, write them into `projections:`", *blocks]
    return [f"added    {entry.name} ({PAIR_TYPES[entry.pair_type].purpose}) to {path}" for entry in new]


def _with_projections(recipe: str, blocks: str) -> str:
    """Return the text of a recipe with more projections behind the last one that is there."""
    lines = recipe.splitlines(keepends=True)
    start = next((row for row, line in enumerate(lines) if line.startswith("projections:")), len(lines)) + 1
    after = (row for row in range(start, len(lines)) if lines[row][:1] not in (" ", "#", "\n", "\r", ""))
    end = next(after, len(lines))
    before = "".join(lines[:end]).rstrip("\n") + "\n"
    return before + "\n" + blocks + ("\n" if end < len(lines) else "") + "".join(lines[end:])


def follows_signal(path: Path) -> bool:
    """Return whether a recipe may be written anew without a word: nobody has edited it, linked it, or protected it."""
    try:
        status = path.lstat()
        return stat.S_ISREG(status.st_mode) and status.st_mode & stat.S_IWUSR != 0 and is_unedited(_read_lines(path)[0])
    except OSError:
        return False


def _read_lines(path: Path) -> tuple[str, str]:
    """Return a text and the end of its lines: CRLF, given as LF, where all end so, as `core.autocrlf` checks out."""
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    ends = text.count("\r\n")
    return (text.replace("\r\n", "\n"), "\r\n") if ends and ends == text.count("\n") else (text, "\n")


def _write_lines(path: Path, text: str, end: str) -> None:
    write_atomic(path, text.replace("\n", end).encode("utf-8", "surrogateescape"))


def is_unedited(recipe: str) -> bool:
    """Return whether a recipe is as `init` wrote it: the mark in it holds the digest of the rest."""
    mark = MARK.search(recipe)
    return mark is not None and mark[1] == _digest(MARK.sub("", recipe, count=1))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def repository_root(path: Path) -> Path:
    """Return the folder at or above `path` that holds `.git`, else `path` itself."""
    return next((folder for folder in (path, *path.parents) if (folder / ".git").exists()), path)


def recipe_text(project: Project) -> str:
    """Return a recipe: projections with signal as they are, the others commented out with what they lack."""
    signal = signals(project)
    blocks = []
    for suggestion in without_replaced(signal):
        block = projection_text(suggestion)
        if signal[suggestion.pair_type]:
            blocks.append(block)
        else:
            missing = PAIR_TYPES[suggestion.pair_type].missing
            lacking = f"  # {suggestion.name} needs {missing}; take the # away when the eventlog has them.\n"
            blocks.append(lacking + "".join(f"  # {line[2:]}\n" for line in block.splitlines()))
    text = RECIPE_HEAD + "\n".join(blocks)
    return RECIPE_MARK.format(digest=_digest(text)) + text


def projection_text(suggestion: Suggestion) -> str:
    """Return a projection as it is written in a recipe."""
    pair_type = PAIR_TYPES[suggestion.pair_type]
    return PROJECTION.format(
        name=suggestion.name,
        purpose=pair_type.purpose,
        type="" if suggestion.type == "dimension" else f"    type: {suggestion.type}\n",
        hidden=HIDDEN,
        output=OUTPUT,
        source=pair_type.source.name,
        pair_type=pair_type.name,
    )


def _write_new(path: Path, text: str) -> str:
    if path.exists():
        return f"kept     {path}"
    write_atomic(path, text.encode())
    return f"written  {path}"


def _ignore(path: Path) -> str:
    if path.is_symlink():
        raise PatinaError(f"{path}: is a symbolic link, which git does not read either: expected a plain file")
    if path.exists() and not path.is_file():
        raise PatinaError(f"{path}: is no plain file, and git reads no other: move it away")
    present, end = _read_lines(path) if path.exists() else ("", "\n")
    missing = [line for line in GITIGNORE_LINES if line not in present.splitlines()]
    if not missing:
        return f"kept     {path}"
    separator = "" if not present or present.endswith("\n") else "\n"
    _write_lines(path, present + separator + "\n".join(missing) + "\n", end)
    return f"written  {path} ({', '.join(missing)})"


def _toml_text(text: str) -> str:
    escaped = "".join(
        f"\\u{ord(letter):04x}" if ord(letter) < 32 or ord(letter) == 127 else letter
        for letter in text.encode("utf-8", "replace").decode().replace("\\", "\\\\").replace('"', '\\"')
    )
    return f'"{escaped}"'
