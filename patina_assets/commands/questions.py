"""Lines that pass between a command and the person at the terminal, on stderr; without a terminal nothing is asked."""

import sys

from patina_assets.pipeline.plain_text import harmless


def say_on_stderr(line: str) -> None:
    """Print a line of progress."""
    print(harmless(line), file=sys.stderr, flush=True)


def ask(question: str, *, default: str) -> str:
    """Ask for a line on the terminal; without a terminal, or for an empty line, return the default."""
    if not _somebody_there():
        return default
    print(f"{harmless(question)} [{default}]: ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip() or default


def confirm(question: str, *, default: bool) -> bool:
    """Ask on the terminal and return the answer; without a terminal nothing is asked and the answer is no."""
    if not _somebody_there():
        return False
    print(f"{harmless(question)} [{'Y/n' if default else 'y/N'}] ", end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline().strip().lower()
    return default if not answer else answer in {"y", "yes"}


def _somebody_there() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()
