"""For which projects the user wants hooks: a file in the user's own folder, where no repository can write."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from patina_resources.documents.json_value import json_value
from patina_resources.errors import PatinaError
from patina_resources.store.files import write_atomic
from patina_resources.store.folders.own import make_private_folder
from patina_resources.store.mothership import Mothership
from patina_resources.store.mutex import exclusive

WAIT_SECONDS = 30.0


@dataclass(frozen=True)
class HookedProject:
    """One project whose hooks are installed.

    Attributes:
        root: The project's root.
        top: The top of the checked-out files that it is in, where git runs hooks.
        folder: Where the hooks lie.
    """

    root: Path
    top: Path
    folder: Path


def wanted(home: Mothership) -> list[HookedProject]:
    """Return the projects whose hooks are installed, by root.

    Raises:
        PatinaError: The record cannot be read.
    """
    path = record_file(home)
    try:
        document = json_value(path.read_bytes())
        return [
            HookedProject(Path(root), Path(entry["top"]), Path(entry["folder"])) for root, entry in document.items()
        ]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise PatinaError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise PatinaError(f"{path}: is damaged: delete it, then run `patina hook install` in each project") from error


def remember(home: Mothership, entry: HookedProject) -> None:
    """Remember that a project wants hooks.

    Raises:
        PatinaError: The record cannot be read or written.
    """
    _change(home, {entry.root: entry})


def forget(home: Mothership, root: Path) -> None:
    """Forget that a project wants hooks.

    Raises:
        PatinaError: The record cannot be read or written.
    """
    _change(home, {root: None})


def record_file(home: Mothership) -> Path:
    """Return where the record is."""
    return home.own / "hooks.json"


def _change(home: Mothership, changes: Mapping[Path, HookedProject | None]) -> None:
    """Change the record; projects that are gone are forgotten."""
    path = record_file(home)
    make_private_folder(path.parent)
    with exclusive(path.with_name(f"{path.name}.mutex"), WAIT_SECONDS, "remembering hooks"):
        entries = {entry.root: entry for entry in wanted(home)} | dict(changes)
        document = {
            os.fspath(root): {"top": os.fspath(entry.top), "folder": os.fspath(entry.folder)}
            for root, entry in sorted(entries.items())
            if entry is not None and (root / ".patina").is_dir()
        }
        write_atomic(path, json.dumps(document, indent=1).encode())
