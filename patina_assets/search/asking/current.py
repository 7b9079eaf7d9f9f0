"""The searcher of the last build, opened again after each: each build writes the lock anew."""

import gc
from threading import Lock

from patina_assets.search.searcher import Searcher
from patina_resources.project.project import Project


class CurrentSearcher:
    """Gives the searcher of what is built now. Several threads may ask."""

    def __init__(self, project: Project) -> None:
        """Open nothing yet."""
        self._project = project
        self._opened: tuple[tuple[int, ...], Searcher] | None = None
        self._lock = Lock()

    def get(self) -> Searcher:
        """Return the searcher.

        Raises:
            PatinaError: Nothing is built, or the lock is damaged.
        """
        build = self._build()
        with self._lock:
            if self._opened is not None and self._opened[0] == build:
                return self._opened[1]
            opened = Searcher(self._project)
            is_first, self._opened = self._opened is None, (build, opened)
        if not is_first:
            # Files refer to themselves by what they keep in memory: without this, those of several builds stay open.
            gc.collect()
        return opened

    def _build(self) -> tuple[int, ...]:
        try:
            state = self._project.lock.stat()
        except OSError:
            return ()  # what is wrong with it is for the searcher to say
        return (state.st_mtime_ns, state.st_size, state.st_ino)
