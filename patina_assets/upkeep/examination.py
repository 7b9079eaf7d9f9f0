"""What is wrong with a project and its surroundings, and the command that mends each. Changes nothing."""

import os
import platform
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeVar

from patina_assets.pairs.types import PAIR_TYPES
from patina_assets.pipeline.stages.ageing import ageing
from patina_assets.pipeline.stages.passages import item_sources
from patina_assets.pipeline.stages.weights_page import CONTINUATIONS
from patina_assets.pipeline.staleness import StageVerdict, stale_stages
from patina_assets.pipeline.tables import size_text
from patina_assets.pipeline.trust import foreign_in
from patina_assets.pipeline.workers.workers import WORKERS_VARIABLE
from patina_assets.pipeline.workspace import Workspace, manifest_state, open_workspace, survey
from patina_assets.search.freshness import age_notes
from patina_assets.upkeep.suggestions import unused
from patina_assets.upkeep.unneeded import unneeded
from patina_resources.cache.settings import KEYS_VARIABLE, URL_VARIABLE, cache_settings, is_confirmed, proposal
from patina_resources.cache.signing import SIGNING_KEY_VARIABLE
from patina_resources.errors import PatinaError
from patina_resources.hooks.installation import starter_here, state_of_hooks
from patina_resources.installed import installed_version
from patina_resources.materialize.code.languages.languages import PROBLEMS
from patina_resources.materialize.git.repository import find_repository, is_in_repository
from patina_resources.models.registry_files import load_registry, plugin_problems
from patina_resources.models.status import ModelRow, model_rows
from patina_resources.plugins import GROUPS, plugins
from patina_resources.project.project import PROJECT_VARIABLE, Project, find_project
from patina_resources.project.user_settings import DATA_VARIABLE, EVENTLOG_VARIABLE
from patina_resources.store.database import SQLITE_VERSION
from patina_resources.store.folders.removal import bytes_of
from patina_resources.store.mothership import HOME_VARIABLE, mothership
from patina_resources.store.mutex import is_held
from patina_resources.store.trust import TRUST_VARIABLE

PACKAGES = (
    "patina-assets",
    "dagster",
    "numpy",
    "onnxruntime",
    "tokenizers",
    "usearch",
    "huggingface-hub",
    "click",
    "rich",
)
VARIABLES = (
    PROJECT_VARIABLE,
    DATA_VARIABLE,
    EVENTLOG_VARIABLE,
    HOME_VARIABLE,
    TRUST_VARIABLE,
    WORKERS_VARIABLE,
    URL_VARIABLE,
    KEYS_VARIABLE,
    "DAGSTER_HOME",
    "HF_HUB_OFFLINE",
)
# What these hold may be a secret: only that they are set is told.
SECRET_VARIABLES = (
    SIGNING_KEY_VARIABLE,
    "HF_TOKEN",
    "HF_ENDPOINT",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "http_proxy",
    "https_proxy",
)

# How a sentence names the command that helps; the first is the one to begin with. A sentence may hold text of a
# repository, such as a path: only what Patina says to run is a command, and never one that a shell would divide.
RUN = re.compile(
    r"\brun `((?:patina(?=[ `])|git (?:init|config --unset|rm -r -q --cached)|chmod (?:600|\+x) /|"
    r"pip (?:uninstall |install 'patina-assets\[))[^`\n;|&$<>()\\]*+)`"
)

T = TypeVar("T")


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be.

    Attributes:
        what: What it is, in a sentence.
        command: What mends it; "" where no command does.
    """

    what: str
    command: str = ""

    @classmethod
    def of_sentence(cls, sentence: str) -> Self:
        """Return the finding that a sentence tells, with the command that it says to run."""
        named = RUN.search(sentence)
        return cls(sentence, named[1] if named is not None else "")


@dataclass(frozen=True)
class Examination:
    """What was found.

    Attributes:
        versions: Of this program, of what it stands on, and of the system.
        places: Files, folders and environment variables, by name.
        verdicts: On every stage; empty where the project cannot be read.
        disk: Bytes by what they are for.
        models: The base models that are in the cache.
        findings: What is wrong.
        suggestions: What could be had, with the command.
        building: Whether the project is being built now: what that has not reached yet is stale.
    """

    versions: Mapping[str, str]
    places: Mapping[str, str]
    verdicts: list[StageVerdict]
    disk: Mapping[str, int]
    models: list[ModelRow]
    findings: list[Finding]
    suggestions: list[Finding]
    building: bool = False


def examine() -> Examination:
    """Return what there is to say of the project of the working folder, and of this user's mothership."""
    findings: list[Finding] = []
    home = mothership()
    project = _tried(find_project, findings)
    if shutil.which("git") is None:
        findings.append(Finding("git is not on PATH: history cannot be read: install git"))
    elif is_in_repository(place := project.root if project is not None else Path.cwd()):
        _tried(lambda: find_repository(place).head(), findings)
    places = {"mothership": str(home.home), **_variables()}
    disk = {"mothership: models": bytes_of(home.models)}
    verdicts: list[StageVerdict] = []
    suggestions: list[Finding] = []
    if project is not None:
        places |= _project_places(project, findings)
        disk |= _project_disk(project, findings)
        workspace = _tried(lambda: open_workspace(project), findings)
        verdicts = _project_findings(project, workspace, findings) if workspace is not None else []
        suggestions = _suggestions(project, workspace) if workspace is not None else []
    rows = _tried(lambda: model_rows(home, load_registry(home, project)), findings) or []
    cached = [row for row in rows if row.bytes_on_disk or row.state in ("damaged", "missing")]
    findings += [
        Finding(f"model {row.name} is {row.state}", row.command)
        for row in cached
        if row.state not in ("ready", "built in")
    ]
    left_out = (*item_sources().problems, *plugin_problems(), *PAIR_TYPES.problems, *PROBLEMS)
    findings += [Finding.of_sentence(problem) for problem in left_out]
    building = project is not None and is_held(project.mutex)
    return Examination(_versions(), places, verdicts, disk, cached, findings, suggestions, building)


def _suggestions(project: Project, workspace: Workspace) -> list[Finding]:
    """Return what the eventlog has signal for, and the recipe has not, and which weights have fallen behind."""
    more = [
        Finding(f"the recipe could have {entry.name}: {PAIR_TYPES[entry.pair_type].purpose}", "patina init --update")
        for entry in _tried(lambda: unused(project, workspace.recipe), []) or []
    ]
    return more + [
        Finding(f"{name}/weights: {aged}", f"patina oxidize --full --only {name}")
        for name in workspace.names()
        for record in manifest_state(workspace.paths(name)).manifest.values()
        if (aged := ageing(record.facts.get(CONTINUATIONS, ()))) is not None and aged.is_behind
    ]


def _project_findings(project: Project, workspace: Workspace, findings: list[Finding]) -> list[StageVerdict]:
    """Add what is wrong with what is built; return a verdict on every stage."""
    found = _tried(lambda: survey(workspace, ahead=True), findings)
    verdicts = found.verdicts if found is not None else []
    stale = stale_stages(verdicts)
    if stale:
        findings.append(Finding(f"{len(stale)} of {len(verdicts)} stages are not fresh", "patina oxidize"))
    if found is not None and found.look.warning:
        findings.append(Finding.of_sentence(found.look.warning))
    foreign = _tried(lambda: foreign_in(project), findings) or []
    if foreign:
        size = size_text(sum(entry.bytes for entry in foreign))
        findings.append(Finding(f"{len(foreign)} artifacts or caches ({size}) were built elsewhere", "patina trust"))
    unneeded_bytes = sum(entry.bytes for entry in unneeded(workspace))
    if unneeded_bytes:  # an empty folder is nothing to do something about
        findings.append(Finding(f"{size_text(unneeded_bytes)} are not needed by the recipe", "patina clean"))
    notes = age_notes(project, workspace.spec.name)
    findings += [Finding(note.text, note.command) for note in notes if note.older == "eventlog"]
    return verdicts


def _tried(work: Callable[[], T], findings: list[Finding]) -> T | None:
    """Return what `work` returns; an error of one sentence becomes a finding."""
    try:
        return work()
    except PatinaError as error:
        findings.append(Finding.of_sentence(str(error)))
        return None


def _versions() -> dict[str, str]:
    return {
        **{name: installed_version(name) or "not installed" for name in PACKAGES},
        **{f"plugin {plugin.name}": plugin.origin for group in GROUPS for plugin in plugins(group).found},
        "python": platform.python_version(),
        "sqlite": SQLITE_VERSION,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "executable": sys.executable,
    }


def _variables() -> dict[str, str]:
    plain = {name: os.environ[name] for name in VARIABLES if name in os.environ}
    return plain | {name: "is set" for name in SECRET_VARIABLES if name in os.environ}


def _project_places(project: Project, findings: list[Finding]) -> dict[str, str]:
    eventlog = _tried(project.eventlog, findings)
    return {
        "project": str(project.root),
        "recipe": str(project.recipe),
        "settings": str(project.config_file),
        "data": str(project.data),
        "eventlog": str(eventlog or "unknown"),
        "dagster_home": str(project.dagster_home),
        **_hooks_place(project, findings),
        **_cache_place(project, findings),
    }


def _hooks_place(project: Project, findings: list[Finding]) -> dict[str, str]:
    """Return how the git hooks stand, where there can be some."""
    try:
        hooks = state_of_hooks(project.root, mothership(), starter_here())
    except PatinaError:  # no repository, or a bare one: `patina hook install` says so to who wants them
        return {}
    if hooks.state == "incomplete":
        findings.append(Finding("the git hooks of this project are incomplete", "patina hook install"))
    return {"git hooks": f"{hooks.state}: {hooks.folder}"}


def _cache_place(project: Project, findings: list[Finding]) -> dict[str, str]:
    """Return where the team's cache is, where there is one; it is not asked."""
    settings = _tried(lambda: cache_settings(project), findings)
    if settings is not None and not settings.keys:
        findings.append(Finding("[cache] keys is empty: nothing that the team's cache holds is accepted"))
    if proposal(project) is not None and not is_confirmed(project) and settings is None:
        findings.append(Finding("the project proposes a team's cache, which is not used", "patina cache confirm"))
    return {} if settings is None else {"team's cache": settings.url}


def _project_disk(project: Project, findings: list[Finding]) -> dict[str, int]:
    eventlog = _tried(project.eventlog, findings)
    caches = list(project.data.glob("embeddings/*/cache.db*"))
    embeddings = bytes_of(project.data / "embeddings")
    vectors = _sum(caches)
    return {
        "eventlog": _sum([eventlog]) if eventlog is not None else 0,
        "embedding caches": vectors,
        "artifacts": embeddings - vectors,
        "corpus model": bytes_of(project.data / "models"),
        "Dagster's records": bytes_of(project.dagster_home),
    }


def _sum(paths: Iterable[Path]) -> int:
    return sum(bytes_of(path) for path in paths)
