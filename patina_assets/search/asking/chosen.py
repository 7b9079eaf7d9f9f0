"""What a person limits results to, as it is written: kinds, a pattern of paths, a language, a date and an author."""

from collections.abc import Sequence
from datetime import datetime

from patina_assets.pairs.code_text import LANGUAGES
from patina_assets.passages.passage import Group
from patina_assets.search.asking.filters import Filters, checked_pattern
from patina_resources.errors import PatinaError, did_you_mean, shown
from patina_resources.eventlog.normal_forms import utc_time


def chosen_filters(
    kinds: Sequence[str],
    path: str | None,
    language: str | None,
    since: str | None,
    author: str | None,
    *,
    prefix: str = "--",
) -> Filters:
    """Return what results are limited to.

    Args:
        kinds: Names of groups.
        path: A glob of paths.
        language: Name of a programming language.
        since: A date (ISO 8601).
        author: A part of an author's name.
        prefix: What stands before the name of an option where it is written.

    Raises:
        PatinaError: A kind, a language or a date is none, or the pattern of paths is too long.
    """
    known = [str(group) for group in Group]
    for kind in kinds:
        if kind not in known:
            raise PatinaError(f"{prefix}kind: {shown(kind)}{did_you_mean(kind, known)}: expected {', '.join(known)}")
    path = checked_pattern(path, f"{prefix}path")
    suffixes: tuple[str, ...] = ()
    if language is not None:
        by_name = suffixes_by_language()
        if language.lower() not in by_name:
            by_name = _suffixes_of_plugins() | by_name
        if language.lower() not in by_name:
            hint = did_you_mean(language.lower(), by_name)
            raise PatinaError(f"{prefix}language: {shown(language)}{hint}: expected one of {', '.join(by_name)}")
        suffixes = by_name[language.lower()]
    if since is not None:
        try:
            since = utc_time(datetime.fromisoformat(since).isoformat())
        except ValueError:
            raise PatinaError(f"{prefix}since: expected a date such as 2026-01-31, got {shown(since)}") from None
    return Filters(tuple(Group(kind) for kind in dict.fromkeys(kinds)), path, suffixes, since, author)


def nothing_text(filters: Filters, *, prefix: str = "--") -> str:
    """Return the sentence for no result; filters that may leave nothing are named, with `prefix` before them."""
    if filters.suffixes and (filters.since or filters.author):
        apart = "code has no date and no author, and commits have no language"
        return f"nothing matches: {apart}: leave out {prefix}language"
    narrow = {"path": filters.path, "language": filters.suffixes, "since": filters.since, "author": filters.author}
    if chosen := [f"{prefix}{name}" for name, value in narrow.items() if value]:
        begins = "; a path begins at the top of the repository" if filters.path else ""
        return f"nothing matches with {' and '.join(chosen)}: leave out what is too narrow{begins}"
    return "nothing matches"


def suffixes_by_language() -> dict[str, tuple[str, ...]]:
    """Return the endings of file names of each language, by its name in lower case."""
    found: dict[str, tuple[str, ...]] = {}
    for suffix, name in LANGUAGES.items():
        key = name.lower().removesuffix(" header")
        found[key] = (*found.get(key, ()), suffix)
    return found


def _suffixes_of_plugins() -> dict[str, tuple[str, ...]]:
    """Return the endings of languages that we do not know: those that plugins read."""
    from patina_resources.materialize.code.languages.languages import LANGUAGES as READ_LANGUAGES

    return {language.name.lower(): language.suffixes for language in READ_LANGUAGES}
