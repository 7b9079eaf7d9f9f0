"""The link that opens a place of a project in the user's editor."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from patina_resources.materialize.git.repository import top_of


class EditorLinks:
    """Makes the links of one project."""

    def __init__(self, root: Path, template: str) -> None:
        """Take the project's folder, and a link with `{path}`, and `{line}` where it can have one."""
        self._top, self._template = top_of(root).resolve(), template

    def link(self, file: str, line: int | None) -> str | None:
        """Return the link to a file; None for what is no file below the top of the project's repository.

        Args:
            file: A path from the top of the repository.
            line: A line, from 1; None for the first.
        """
        try:
            path = (self._top / file).resolve()
            if not path.is_relative_to(self._top) or not path.is_file():
                return None
        except (OSError, RuntimeError, ValueError):  # longer than a name may be, a NUL, or links in a circle
            return None
        quoted = quote(os.fsencode(path), safe="/")
        return self._template.replace("{path}", quoted).replace("{line}", str(line or 1))

    def added(self, document: Any) -> Any:  # noqa: ANN401 - values for JSON
        """Return a document in which each part that has a `file` has an `editor`, too: the link, or None."""
        if isinstance(document, list):
            return [self.added(entry) for entry in document]
        if not isinstance(document, Mapping):
            return document
        found = {key: self.added(value) for key, value in document.items()}
        if isinstance(file := found.get("file"), str):
            found["editor"] = self.link(file, found.get("line"))
        return found
