"""Which projects share this cache of models: one path a line in `~/.patina/projects.txt`."""

from pathlib import Path

from patina_resources.errors import PatinaError
from patina_resources.store.files import write_atomic
from patina_resources.store.folders.own import make_private_folder
from patina_resources.store.mothership import Mothership
from patina_resources.store.mutex import exclusive

WAIT_SECONDS = 30.0


def register_project(mothership: Mothership, root: Path) -> None:
    """Remember a project, make its folder in the mothership, and forget those that are gone.

    Safe under parallel writers.

    Raises:
        PatinaError: The file cannot be read or written, or the path holds a line break.
    """
    place = root.absolute()
    if "\n" in str(place) or "\r" in str(place):
        raise PatinaError(f"{str(place)!r}: a project's path must not hold a line break")
    path = mothership.projects
    make_private_folder(mothership.project_folder(place))
    if place in _read(path):
        return
    with exclusive(path.with_name(f"{path.name}.mutex"), WAIT_SECONDS, "remembering a project"):
        kept = [known for known in _read(path) if (known / ".patina").is_dir() and known != place]
        lines = sorted(str(known) for known in (*kept, place))
        write_atomic(path, "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape"))


def known_projects(mothership: Mothership) -> list[Path]:
    """Return the roots of the remembered projects that still exist, by path.

    Raises:
        PatinaError: The file cannot be read.
    """
    return [root for root in _read(mothership.projects) if (root / ".patina").is_dir()]


def _read(path: Path) -> list[Path]:
    try:
        text = path.read_bytes().decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise PatinaError(f"{path}: cannot be read ({error.strerror or error})") from error
    return [Path(line) for line in text.split("\n") if line.startswith("/")]
