"""What the last build published: the base model and the projections that `oxidize.lock` lists, and their files."""

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from patina_resources.documents.text_file import read_small_text
from patina_resources.errors import PatinaError, shown
from patina_resources.project.project import Project, find_project
from patina_resources.store.artifacts import read_outputs
from patina_resources.store.manifests import read_manifest
from patina_resources.store.paths import ProjectionPaths

BASE = "base"
LEXICAL = "lexical"
LOCK_REMEDY = "delete it, then `patina oxidize` writes it again"
_PROJECTION = re.compile(r"[A-Za-z0-9_-]{1,64}")
# The lines of a lock as `compose_lock` writes them: keys of the document, and names below `projections`.
_KEY = re.compile(r"([a-z_]+):(?: (.+))?")
_NAME = re.compile(r"  ([A-Za-z_][A-Za-z0-9_-]{0,63}):")
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.+-]*")
# Words that YAML 1.1 does not take for text.
_NOT_TEXT = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


@dataclass(frozen=True)
class Searchable:
    """What there is to search.

    Attributes:
        model: The base model, as the recipe named it.
        projections: Those that have an index.
    """

    model: str
    projections: list[str]


def read_index(paths: ProjectionPaths) -> tuple[bytes, bytes]:
    """Return the verified graph and search file of an index, both of one build.

    Raises:
        PatinaError: They were never built, or one is missing or damaged.
    """
    _, (graph, search) = read_outputs(paths, "index", ("usearch", "search.db"))
    return graph, search


def measured_facts(paths: ProjectionPaths) -> Mapping[str, str]:
    """Return what was noted of a projection when it was trained and measured; nothing where it is not built.

    Raises:
        PatinaError: Its manifest is damaged.
    """
    weights = read_manifest(paths.manifest).get("weights")
    return weights.facts if weights is not None else {}


class IndexesAhead:
    """Reads the indexes that a question is answered from, in a thread of its own, while the program is imported.

    To read files and compare them with their digests leaves the interpreter free, and takes as long as to import numpy.
    """

    def __init__(self, project: Project) -> None:
        """Begin with `base`, then the projections that take part; what cannot be told yet is left out."""
        self._pool = ThreadPoolExecutor(1)
        try:
            built = read_built(project)
        except PatinaError:  # who searches says it
            self._begun = {}
            return
        places = [project.projection_paths(built.model, name) for name in built.projections]
        self._begun = {paths.manifest: self._pool.submit(_read_if_asked, paths)
                       for paths in (project.base_paths(built.model), *places)}  # fmt: skip

    def read(self, paths: ProjectionPaths) -> tuple[bytes, bytes]:
        """Return what `read_index` does; each index is kept until it is asked for.

        Raises:
            PatinaError: As `read_index` does.
        """
        begun = self._begun.pop(paths.manifest, None)
        return (begun.result() if begun is not None else None) or read_index(paths)


def _read_if_asked(paths: ProjectionPaths) -> tuple[bytes, bytes] | None:
    """Return an index; None where a question is not asked of it, or where it is not whole: who opens it says that."""
    try:
        if paths.name != BASE:
            # It needs numpy, for which `base` is not to wait.
            from patina_assets.learning.verdict import takes_part

            if not takes_part(measured_facts(paths)):
                return None
        return read_index(paths)
    except PatinaError:
        return None


def read_built(project: Project) -> Searchable:
    """Return what a project's lock names.

    Raises:
        PatinaError: Nothing is built, or the lock is damaged.
    """
    try:
        text = read_small_text(project.lock, "YAML")
    except FileNotFoundError:
        command = "patina oxidize" if project.eventlog().exists() else "patina materialize --oxidize"
        raise PatinaError(f"nothing is built yet in {project.root}: run `{command}`") from None
    except PatinaError as error:
        raise PatinaError(f"{error}: damaged: {LOCK_REMEDY}") from error
    return plainly_written(text) or _parsed(project)


def built_names() -> list[str]:
    """Return the lists that a search of this project can be told to use."""
    return [*read_built(find_project()).projections, BASE, LEXICAL]


def plainly_written(text: str) -> Searchable | None:
    """Return what a lock names, line by line; None where a line is not as `compose_lock` writes it.

    A YAML reader in Python takes a tenth of a search for a lock of nine projections, and as much to be imported.
    """
    model: str | None = None
    names: list[str] = []
    key = ""
    for line in text.split("\n"):
        if line[:1] not in ("", "#", " "):
            found = _KEY.fullmatch(line)
            if found is None or found[1] == key:
                return None
            key = found[1]
            if key == "projections" and (names or found[2]):
                return None
            if key == "embedding_model":
                if model is not None or not _is_text(found[2] or ""):
                    return None
                model = found[2]
        elif key == "projections" and line[:1] == " " and line[:3] != "   ":
            name = _NAME.fullmatch(line)
            if name is None or name[1] in names or not _is_text(name[1]):
                return None
            names.append(name[1])
    return Searchable(model, names) if model is not None and names else None


def _is_text(word: str) -> bool:
    return _PLAIN.fullmatch(word) is not None and word.lower() not in _NOT_TEXT


def _parsed(project: Project) -> Searchable:
    from patina_resources.documents.yaml_file import read_yaml

    try:
        document = read_yaml(project.lock).data
    except PatinaError as error:
        raise PatinaError(f"{error}: damaged: {LOCK_REMEDY}") from error
    table = document if isinstance(document, dict) else {}
    model, projections = table.get("embedding_model"), table.get("projections")
    if not isinstance(model, str) or not isinstance(projections, dict):
        raise PatinaError(f"{project.lock}: damaged: it lacks embedding_model or projections: {LOCK_REMEDY}")
    for name in projections:
        if not _PROJECTION.fullmatch(name):  # it becomes part of a file name
            raise PatinaError(f"{project.lock}: damaged: {shown(name)} is no projection: {LOCK_REMEDY}")
    return Searchable(model, list(projections))
