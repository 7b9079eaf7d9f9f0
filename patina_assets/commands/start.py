"""`patina init`: from a repository to a first answer."""

from pathlib import Path

from patina_assets.commands.initialise import (
    open_repository,
    prepare_repository,
    update_recipe,
    write_recipe,
    write_settings,
)
from patina_assets.commands.materialize import materialize
from patina_assets.commands.models.model_choice import choose_model, settled_model
from patina_assets.commands.models.project_models import offer_missing
from patina_assets.commands.oxidize import NEXT, oxidize
from patina_assets.commands.scry import print_answer
from patina_assets.pairs.types import pair_types_by_source
from patina_assets.recipe.reader import read_recipe
from patina_assets.search.base_model import model_name
from patina_assets.search.built import BASE
from patina_assets.terminal.questions import ask, somebody_there
from patina_resources.errors import PatinaError
from patina_resources.eventlog.reader import Eventlog
from patina_resources.materialize.git.repository import find_repository, is_in_repository
from patina_resources.project.project import Project, find_project


def start(path: Path, model: str | None, *, builds: bool) -> bool:
    """Prepare a repository, read it, build what can be searched, then the projections; ask a first question.

    What is done already is not done again: after Ctrl-C the same command goes on.

    Args:
        path: The repository or a folder in it.
        model: The base model; None asks on a terminal.
        builds: Do not stop after the settings.

    Returns:
        Whether everything that was asked for could be read, and is built.

    Raises:
        PatinaError: The repository, the model or the settings cannot be used.
    """
    project = open_repository(path)
    if builds and not project.eventlog().exists():
        _refuse_unreadable(project)
    chosen = settled_model(project, model)
    reads = builds and is_in_repository(project.root)
    for line in prepare_repository(project):
        print(line)
    if chosen is None and not (reads and somebody_there()):
        chosen = choose_model(project)
    if chosen is not None:
        project = _configured(project, chosen, is_built=reads)
    is_read = True
    if reads:
        is_read = materialize(project, only=None, full=False, says_next=False)
        if not Eventlog(project.eventlog()).last_seq():
            raise PatinaError(f"{project.root}: nothing of it could be read: what was skipped is named above")
    if chosen is None:  # what a model costs is known now
        project = _configured(project, choose_model(project), is_built=True)
    print(write_recipe(project))
    if reads:
        return _build(project) and is_read
    print(_next_step(project))
    return True


def _refuse_unreadable(project: Project) -> None:
    """Raise PatinaError, before anything is written, for a folder of which nothing can be read."""
    if not is_in_repository(project.root):
        raise PatinaError(f"{project.root} is in no git repository: run `git init`, commit, then `patina init`")
    repository = find_repository(project.root)
    if repository.head() is None:
        is_empty = not repository.elsewhere()
        what = "nothing is committed yet: make a first commit" if is_empty else repository.why_no_commit()
        raise PatinaError(f"{project.root}: {what}, then run `patina init`")


def _next_step(project: Project) -> str:
    if project.eventlog().exists():
        return "next: run `patina oxidize`"
    if is_in_repository(project.root):
        return "next: run `patina materialize`"
    return f"next: {project.root} is in no git repository: run `git init`, commit, then `patina init`"


def _configured(project: Project, model: str, *, is_built: bool) -> Project:
    """Write config.toml, say so, and offer the model where it is missing; return the project with its settings.

    Raises:
        PatinaError: The model stays missing and a build needs it.
    """
    project, line = write_settings(project, model)
    print(line, flush=True)
    offer_missing(project, model, is_needed=is_built and _builds_with(project, model))
    return project


def _builds_with(project: Project, model: str) -> bool:
    """Return whether builds take this model: a recipe that is there already may name another one."""
    if not project.recipe.exists():
        return True
    return model_name(read_recipe(project.recipe, pair_types_by_source()), project) == model


def _build(project: Project) -> bool:
    """Build the passages first, so that search answers while projections are trained."""
    if not oxidize(project, only=[BASE], says_next=False):
        return False
    question = ask("your first question (Enter for none)", default="")
    if question:
        print_answer(project, [question], None, 5, explain=False, as_json=False)
    is_built = oxidize(project, says_next=False)
    if is_built:
        print(NEXT)
    return is_built


def update(path: Path) -> None:
    """Bring a recipe up to what the eventlog has signal for, and say what was added.

    Args:
        path: The repository or a folder in it.

    Raises:
        PatinaError: It is not prepared, or the eventlog or the recipe cannot be used.
    """
    project = find_project(path)
    if not project.eventlog().exists():
        raise PatinaError(f"no eventlog at {project.eventlog()}: run `patina materialize`")
    before = project.recipe.read_bytes() if project.recipe.exists() else b""
    print("\n".join(update_recipe(project)))
    if project.recipe.exists() and project.recipe.read_bytes() != before:
        print("next: run `patina oxidize`")
