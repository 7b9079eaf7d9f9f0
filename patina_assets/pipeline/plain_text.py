"""What may reach a terminal, a pipe or a log: text of a repository is never obeyed, and never hides what it is.

Everything that a command prints goes through `guarded_output`, so that no place of printing can forget it.
"""

import io
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO

from patina_resources.errors import PatinaError

if TYPE_CHECKING:
    from rich.console import Console

# Control characters but tabs and line ends (a lone carriage return goes back over its line); half surrogates; marks
# that turn the direction of writing (Unicode, UAX 9); and separators that some programs take for line ends.
_OBEYED = re.compile("[\0-\b\v\f\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]|\r(?!\n)")

Style = Literal["plain", "bold", "faint", "kind", "place", "match"]
Styled = Sequence[tuple[str, Style]]
# Select Graphic Rendition (ECMA-48, 8.3.117).
SGR: dict[Style, str] = {"plain": "", "bold": "1", "faint": "2", "kind": "36", "place": "1;32", "match": "1;33"}


def harmless(text: str) -> str:
    r"""Return a text for a terminal: what one would obey, or what would show another text than there is, as U+FFFD.

    Tabs and line ends stay. Bytes that are no UTF-8, which Python keeps as half surrogates, are shown as `\udcNN`.
    """
    return _OBEYED.sub(lambda found: ascii(found[0])[1:-1] if found[0] >= "\ud800" else "\ufffd", text)


def one_line(text: str) -> str:
    r"""Return a text on one line: what is not printable, or is a space of another kind, as `\x1b`, `\n`, `\u2028`."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def with_tilde(text: str) -> str:
    """Return a text in which the home folder is `~`."""
    for home in {os.environ.get("HOME", ""), str(Path("~").expanduser())}:
        if len(home) > 1:
            text = re.sub(rf"{re.escape(home.rstrip('/'))}(?=/|$|[^A-Za-z0-9_.-])", "~", text)
    return text


def from_root(text: str, root: Path) -> str:
    """Return a text in which paths of a project are relative to its root: others have it in another place."""
    for place in {str(root), str(root.resolve())} - {"/"}:
        text = re.sub(
            rf"(?<![\w./~-]){re.escape(place)}(?:(/)|(?![\w.-]))", lambda found: "" if found[1] else ".", text
        )
    return text


def json_text(document: object) -> str:
    r"""Return JSON to be read by people, too: what a terminal would obey is written as `\u009b`, and means the same."""
    text = json.dumps(document, indent=2, ensure_ascii=False)
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


@contextmanager
def guarded_output() -> Iterator[None]:
    """Have everything that is printed inside be harmless; after an error also what follows, which is its traceback."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name or text may hold what this terminal cannot show
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _guarded(sys.stdout), _guarded(sys.stderr)
    try:
        yield
    except BaseException as error:
        if not isinstance(error, Exception):  # the traceback of an error is still to be printed
            sys.stdout, sys.stderr = before
        raise
    sys.stdout, sys.stderr = before


def print_styled(stream: TextIO, lines: Iterable[Styled], *, coloured: bool) -> None:
    """Write lines whose parts have styles.

    rich does the same, and would make a search on a terminal wait a tenth longer for itself.
    """
    bare = _bare(stream)
    for line in lines:
        parts = ((harmless(text), SGR[style] if coloured else "") for text, style in line)
        with _told(bare):
            bare.write("".join(f"\x1b[{code}m{text}\x1b[0m" if code else text for text, code in parts) + "\n")


def guarded_console(stream: TextIO) -> "Console":
    """Return what draws bars and tables on a terminal (rich): it obeys its own styles, and no text that it shows."""
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.segment import Segment

    class GuardedConsole(Console):
        def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
            for segment in super().render(renderable, options):
                yield segment if segment.control else Segment(harmless(segment.text), segment.style)

    return GuardedConsole(file=_bare(stream), markup=False, emoji=False, highlight=False)


class GuardedStream:
    """A text stream that writes what is harmless, and is otherwise the stream that it guards."""

    def __init__(self, bare: TextIO) -> None:
        """Guard a stream."""
        self.bare = bare

    def write(self, text: str) -> int:
        """Write a text, made harmless; return how much of it was taken.

        Raises:
            PatinaError: It cannot be written, as on a full disk.
        """
        if text != "":  # click writes nothing to see what a stream takes, and hides what that brings about
            with _told(self.bare):
                self.bare.write(harmless(text))
        return len(text)

    def flush(self) -> None:
        """Write what was kept back; raise as `write` does."""
        with _told(self.bare):
            self.bare.flush()

    def writelines(self, lines: Any) -> None:  # noqa: ANN401 - as TextIO has it
        """Write texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the stream has
        return getattr(self.bare, name)


@contextmanager
def _told(bare: TextIO) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), bare.fileno())  # Python would try again at its end
        raise PatinaError(f"the output cannot be written ({error.strerror}): choose another place for it") from error


def _bare(stream: TextIO) -> TextIO:
    return stream.bare if isinstance(stream, GuardedStream) else stream


def _guarded(stream: TextIO) -> Any:  # noqa: ANN401 - a stream in all but name
    return stream if isinstance(stream, GuardedStream) else GuardedStream(stream)
