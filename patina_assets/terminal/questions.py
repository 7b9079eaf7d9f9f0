"""What passes between a command and the person at the terminal; without a terminal nothing is asked."""

import io
import sys

from patina_assets.pipeline.plain_text import harmless


def say_on_stderr(line: str) -> None:
    """Print a line of progress."""
    print(harmless(line), file=sys.stderr, flush=True)


def ask(question: str, *, default: str) -> str:
    """Ask for a line on the terminal; without a terminal, or for an empty line, return the default."""
    if not somebody_there():
        return default
    print(f"{harmless(question)} [{default}]: ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip() or default


def confirm(question: str, *, default: bool) -> bool:
    """Ask on the terminal and return the answer; without a terminal nothing is asked and the answer is no."""
    if not somebody_there():
        return False
    print(f"{harmless(question)} [{'Y/n' if default else 'y/N'}] ", end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline().strip().lower()
    return default if not answer else answer in {"y", "yes"}


def somebody_there() -> bool:
    """Return whether a person can be asked: input and messages are a terminal."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def read_standard_input(most: int) -> str:
    """Return at most so many characters of standard input; what is no text of its encoding is U+FFFD.

    It is empty where the process was started without one (`<&-`).
    """
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")
    return sys.stdin.read(most) if sys.stdin is not None else ""
