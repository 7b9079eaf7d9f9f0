"""The environment of the processes that this program starts: nothing in it leads into the working folder."""

import os

PATH_VARIABLES = ("PATH", "PYTHONPATH")


def child_environment() -> dict[str, str]:
    """Return this process's environment, but no relative folder in it is searched for programs or modules.

    An empty entry stands for the working folder, which may be the repository. `PYTHONSAFEPATH` does for every Python
    below the child what `-P` does for the child alone.
    """
    paths = {name: _absolute(os.environ[name]) for name in PATH_VARIABLES if name in os.environ}
    return {**os.environ, "PATH": _absolute(os.pathsep.join(os.get_exec_path())), **paths, "PYTHONSAFEPATH": "1"}


def _absolute(entries: str) -> str:
    return os.pathsep.join(entry for entry in entries.split(os.pathsep) if os.path.isabs(entry))
