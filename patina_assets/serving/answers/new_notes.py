"""A note that is written from the search page: off unless the user has switched it on, outside of any repository."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from patina_assets.serving.answers.project_answers import ProjectAnswers
from patina_resources.documents.checks import TEXT, list_of, one_of, read_document, table
from patina_resources.documents.document import Document
from patina_resources.documents.json_value import json_value
from patina_resources.errors import PatinaError
from patina_resources.materialize.notes.new_note import write_note
from patina_resources.materialize.notes.writing import SECTIONS

NOTE = table(
    {"text": TEXT, "kind": one_of(*SECTIONS), "about": list_of(TEXT, "a list of paths"), "project": TEXT},
    needed=("text",),
)
MOST_ABOUT = 20


def written_note(answers: Callable[[str | None], ProjectAnswers], body: bytes) -> dict[str, Any]:
    """Write a note, and return where it is.

    Args:
        answers: Returns those of a project by its name.
        body: JSON: `text`, and perhaps `kind`, `about` (paths from the top) and `project`.

    Raises:
        PatinaError: The body says something else, or the note cannot be written.
    """
    try:
        document = json_value(body)
    except ValueError:
        raise PatinaError("the note: expected JSON") from None
    asked = read_document(NOTE, Document(Path("the note"), "JSON", document, dict))
    project = answers(asked.get("project")).project
    about = asked.get("about", ())
    if len(about) > MOST_ABOUT:
        raise PatinaError(f"about: expected at most {MOST_ABOUT} paths, got {len(about)}")
    globs = project.config.session_globs
    written = write_note(project.root, globs, asked["text"], asked.get("kind", "observation"), about, datetime.now(UTC))
    return {
        "version": 1,
        "file": str(written.path.relative_to(project.root)),
        "left_out": written.left_out or None,
        "command": "patina materialize --oxidize",
    }
