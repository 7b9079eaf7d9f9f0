"""Which projects a question is put to: a pattern of folders, a file that lists them, or a part of the user's list."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from patina_resources.errors import PatinaError, shown_path
from patina_resources.project.known_projects import known_projects
from patina_resources.project.user_settings import fleet_patterns
from patina_resources.store.mothership import Mothership, expanded

MOST_PROJECTS = 200
MOST_CHARACTERS = 1000
MOST_BYTES = 1 << 20
ALL = "all"
_PATTERN = re.compile(r"[*?[]")


def chosen_projects(which: str, home: Mothership) -> list[Path]:
    """Return the roots of projects, by path, each once. Those of a file or of the list need not exist.

    Args:
        which: A file with one path a line; a pattern of folders, such as `~/work/*`; or a pattern of names in the
            user's list: `[fleet] projects` of the user's config.toml, else the projects that were built on this
            machine. `all` stands for the whole list.
        home: The user's mothership.

    Raises:
        PatinaError: There are none, or more than MOST_PROJECTS, or the file cannot be read.
    """
    if len(which) > MOST_CHARACTERS:
        raise PatinaError(f"--projects: expected at most {MOST_CHARACTERS} characters, got {len(which)}")
    place = expanded(which, "--projects")
    if place.is_file():
        found = _listed(place)
    elif "/" in which:
        found = _folders(place)
    else:
        listed = [root for pattern in fleet_patterns(home.settings) for root in _of_list(pattern)]
        listed = listed or known_projects(home)
        found = [root for root in listed if which == ALL or fnmatchcase(root.name, which)]
    roots = sorted(set(found))
    if not roots:
        raise PatinaError(
            f"--projects: {shown_path(which)}: no project: expected a pattern of folders, a file with one path a line, "
            f"or a name in [fleet] projects of {home.settings}"
        )
    if len(roots) > MOST_PROJECTS:
        raise PatinaError(f"--projects: {shown_path(which)}: {len(roots)} projects: expected at most {MOST_PROJECTS}")
    return roots


def short_names(roots: Sequence[Path]) -> list[str]:
    """Return a name for each project: that of its folder; of two of one name, the whole path."""
    counts = Counter(root.name for root in roots)
    return [root.name if root.name and counts[root.name] == 1 else str(root) for root in roots]


def _listed(file: Path) -> list[Path]:
    try:
        with file.open("rb") as opened:
            text = opened.read(MOST_BYTES).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise PatinaError(f"{file}: cannot be read as a list of paths, one a line ({type(error).__name__})") from error
    lines = (line.strip() for line in text.splitlines())
    wanted = [expanded(line, str(file)) for line in lines if line and not line.startswith("#")]
    return [file.parent.absolute() / path for path in wanted]


def _of_list(pattern: str) -> Iterable[Path]:
    """Return the folders of a pattern; of a plain path, itself: who names it wants to hear if it is gone."""
    place = expanded(pattern, "[fleet] projects")
    if not place.is_absolute():
        raise PatinaError(
            f"[fleet] projects: expected an absolute path or one that begins with ~, got {shown_path(pattern)}"
        )
    return _folders(place) if _PATTERN.search(str(place)) else [place]


def _folders(pattern: Path) -> list[Path]:
    place = pattern.absolute()
    try:
        found = list(Path(place.anchor).glob(str(place.relative_to(place.anchor)) or "."))
    except (ValueError, NotImplementedError, IndexError) as error:  # "/" alone, or a third star
        raise PatinaError(f"--projects: {shown_path(str(pattern))}: not a pattern of folders ({error})") from error
    return [path for path in found if (path / ".patina").is_dir()]
