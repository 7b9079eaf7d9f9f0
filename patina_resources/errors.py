"""The one error type whose text is meant for a user."""

from collections.abc import Collection, Iterable

SHOWN_CHARACTERS = 60
PATH_CHARACTERS = 4096  # PATH_MAX of Linux: what is longer names no file
SHOWN_BITS = 256


class PatinaError(Exception):
    """Wrong input or a damaged file, in one sentence: what is wrong, where, what was expected, what to do next.

    The command line prints it on stderr and exits with 2; inside Dagster it is the failure's description.
    """


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `" (did you mean 'x'?)"` for the closest known word, or an empty string."""
    import difflib  # where nothing is wrong, nobody waits for it

    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""


def check_known(names: Iterable[str], known: Collection[str], kind: str, where: str = "") -> None:
    """Check that there is something of each name.

    Args:
        names: What somebody asks for.
        known: The names that there are.
        kind: What they are names of, such as `projection`.
        where: Where they were written, for the message.

    Raises:
        PatinaError: One is unknown; names the known one that is nearest.
    """
    for name in names:
        if name not in known:
            place = f"{where}: " if where else ""
            raise PatinaError(
                f"{place}unknown {kind} {shown(name)}{did_you_mean(name, known)}: expected one of {', '.join(known)}"
            )


def shown(value: object) -> str:
    """Return a value out of a file as a few words on one line, for an error message."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    if isinstance(value, str):
        return _quoted(value, SHOWN_CHARACTERS)
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if isinstance(value, int) and value.bit_length() > SHOWN_BITS:
        return "a huge number"  # Python refuses to write one of over 4,300 digits
    return "nothing" if value is None else repr(value)


def shown_path(path: str) -> str:
    """Return a path or name that a user typed or the environment gives, for an error message: whole, to its end."""
    return _quoted(path, PATH_CHARACTERS)


def refuse_other_bytes(path: str, name: str, remedy: str) -> None:
    """Return if a path is UTF-8: the libraries that load models and indexes open no other.

    Args:
        path: The path, as Python decodes it.
        name: What gives it, such as `PATINA_HOME`; "" where it speaks for itself.
        remedy: What to do.

    Raises:
        PatinaError: It holds other bytes.
    """
    try:
        path.encode()
    except UnicodeEncodeError as error:
        written = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        place = f"{name}={written}" if name else written
        raise PatinaError(f"{place}: is not UTF-8, and models and indexes cannot be opened there: {remedy}") from error


def _quoted(text: str, most: int) -> str:
    # Backquotes stand around commands that a sentence says to run: what a file says is none.
    return repr(text if len(text) <= most else f"{text[: most - 3]}...").replace("`", "\\x60")
