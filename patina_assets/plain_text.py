"""What may reach a terminal, a pipe or a log: text of a repository is never obeyed, and never hides what it is.

Everything that a command prints goes through `guarded_output`, so that no place of printing can forget it.
"""

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

# Control characters but tabs and line ends (a lone carriage return goes back over its line); half surrogates; marks
# that turn the direction of writing (Unicode, UAX 9); and separators that some programs take for line ends.
_OBEYED = re.compile("[\0-\b\v\f\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]|\r(?!\n)")


def harmless(text: str) -> str:
    r"""Return a text for a terminal: what one would obey, or what would show another text than there is, as U+FFFD.

    Tabs and line ends stay. Bytes that are no UTF-8, which Python keeps as half surrogates, are shown as `\udcNN`.
    """
    return _OBEYED.sub(lambda found: ascii(found[0])[1:-1] if found[0] >= "\ud800" else "\ufffd", text)


def one_line(text: str) -> str:
    r"""Return a text on one line: what is not printable, or is a space of another kind, as `\x1b`, `\n`, `\u2028`."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def json_text(document: object) -> str:
    r"""Return JSON to be read by people, too: what a terminal would obey is written as `\u009b`, and means the same."""
    text = json.dumps(document, indent=2, ensure_ascii=False)
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


@contextmanager
def guarded_output() -> Iterator[None]:
    """Have everything that is printed inside be harmless; after an error also what follows, which is its traceback."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _guarded(sys.stdout), _guarded(sys.stderr)
    try:
        yield
    except Exception:
        raise
    except BaseException:
        sys.stdout, sys.stderr = before
        raise
    sys.stdout, sys.stderr = before


def draw(stream: TextIO, text: str, end: str = "") -> None:
    """Write a text over the line that was drawn last."""
    bare = stream.bare if isinstance(stream, GuardedStream) else stream
    bare.write(f"\r\x1b[K{one_line(text)}{end}")
    bare.flush()


class GuardedStream:
    """A text stream that writes what is harmless, and is otherwise the stream that it guards."""

    def __init__(self, bare: TextIO) -> None:
        """Guard a stream."""
        self.bare = bare

    def write(self, text: str) -> int:
        """Write a text, made harmless; return how much of it was taken."""
        self.bare.write(harmless(text))
        return len(text)

    def writelines(self, lines: Any) -> None:  # noqa: ANN401 - as TextIO has it
        """Write texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the stream has
        return getattr(self.bare, name)


def _guarded(stream: TextIO) -> Any:  # noqa: ANN401 - a stream in all but name
    return stream if isinstance(stream, GuardedStream) else GuardedStream(stream)
