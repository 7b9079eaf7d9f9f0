"""`patina note`: keeps why something is as it is, at the moment when it is known."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from patina_assets.terminal.questions import read_standard_input, say_on_stderr
from patina_resources.materialize.notes.new_note import write_note
from patina_resources.materialize.notes.writing import MOST_CHARACTERS, NoteKind
from patina_resources.project.project import Project

FROM_STDIN = "-"


def print_new_note(project: Project, words: Sequence[str], kind: NoteKind, about: Sequence[str]) -> int:
    """Write a note, print its path and what comes next; return the exit code.

    Args:
        project: The project.
        words: The text, in one argument or in many; `-` alone stands for standard input.
        kind: What it is.
        about: Paths that it is about, from the working folder.

    Raises:
        PatinaError: The text is empty, a path leads to no file of the project, or the note cannot be written.
    """
    text = read_standard_input(MOST_CHARACTERS + 1) if list(words) == [FROM_STDIN] else " ".join(words)
    places = [_from_root(project.root, place) for place in about]
    written = write_note(project.root, project.config.session_globs, text, kind, places, datetime.now(UTC))
    print(written.path.relative_to(project.root))
    if written.left_out:
        say_on_stderr(f"patina: it will not be searched: {written.left_out}")
        return 0
    print("next: run `patina materialize --oxidize`; commit the file if others are to have it")
    return 0


def _from_root(root: Path, place: str) -> str:
    """Return a path of the working folder from the root; what is no path there is taken from the root."""
    path = Path.cwd() / place
    return str(path.relative_to(root)) if path.is_relative_to(root) else place
