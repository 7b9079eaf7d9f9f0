"""How `like`, `recent` and `why` read, on a terminal and as JSON."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from patina_assets.passages.forge import KINDS
from patina_assets.pipeline.plain_text import Styled
from patina_assets.search.fusion import Hit
from patina_assets.terminal.hits import JSON_VERSION, age, hit_document, hit_lines, place, shortened

if TYPE_CHECKING:
    from patina_assets.facts.calls import Definition
    from patina_assets.facts.like import Facts, HitFacts, Like
    from patina_assets.facts.things import Thing
    from patina_assets.facts.together import Author, ChangedTogether
    from patina_assets.facts.why import Entries, Entry, Why

SHORT_SHA = 12
AUTHORS_SHOWN = 3
NAMES_SHOWN = 6
PATHS_SHOWN = 4
STATE_PREFIX = "State: "


def like_lines(like: "Like", k: int) -> list[Styled]:
    """Return what is like a thing as lines: what is certain of it, then a list for each index.

    Args:
        like: What was found.
        k: How many files that changed together are shown.
    """
    lines = _head_lines(like)
    if like.facts is not None:
        lines += [_faint(line) for line in _fact_lines(like.thing, like.facts)]
        lines += _together_lines(like.facts.changed_together[:k]) if like.thing.kind == "file" else []
    shown: set[tuple[str, str]] = set()
    for found in like.lists:
        lines += [[("", "plain")], [(found.name, "bold"), (f": {found.meaning}" if found.meaning else "", "plain")]]
        for rank, hit in enumerate(found.hits, 1):
            once = (place(hit.item), hit.item.text if hit.passage is None else hit.passage.text)
            lines += _near_lines(like, rank, hit, whole=once not in shown)
            shown.add(once)
    return lines


def entry_lines(entries: "Entries", query: str = "", *, with_files: bool) -> list[Styled]:
    """Return commits and notes as lines, newest first.

    Args:
        entries: The commits and notes.
        query: Words to be marked.
        with_files: Tell what commits touched.
    """
    lines: list[Styled] = []
    for number, entry in enumerate(entries.entries, 1):
        passage = entry.passage
        lines += hit_lines(number, Hit(passage.item, 0.0, passage=passage), query)
        if with_files and entry.files:
            lines.append(_faint(f"touched {_listed(entry.files, PATHS_SHOWN)}"))
    if entries.more:
        lines.append(_faint(f"and {entries.more} earlier: -k NUMBER shows more"))
    return lines


def why_lines(why: "Why") -> list[Styled]:
    """Return why a place is as it is, as lines."""
    head: list[tuple[str, Any]] = [(shortened(why.file if why.span is None else f"{why.file}:{why.line}"), "place")]
    if why.span is not None and why.span.symbol:
        head += [("  ", "plain"), (shortened(why.span.symbol), "bold"), (f"  {why.span.kind}", "kind")]
    if why.removed:
        head.append((" (removed)", "plain"))
    lines: list[Styled] = [head]
    if why.span is not None:
        lines.append(_faint(f"the commits that changed {_span(why.span.first, why.span.last)} at HEAD"))
    if why.former:
        lines.append(_faint(f"before: {_listed(why.former, PATHS_SHOWN)}"))
    words = f"{why.file.rsplit('/', 1)[-1].split('.')[0]} {why.span.symbol if why.span is not None else ''}"
    return [*lines, *entry_lines(why.found, words, with_files=False)]


def thing_document(thing: "Thing") -> dict[str, Any]:
    """Return what a name stands for, as JSON output begins with it."""
    return {
        "version": JSON_VERSION,
        "kind": thing.kind,
        "name": thing.name,
        "file": thing.path,
        "line": thing.line,
    }


def like_document(like: "Like") -> dict[str, Any]:
    """Return what is like a thing for JSON output."""
    return {
        **thing_document(like.thing),
        "facts": _facts_document(like.facts) if like.facts is not None else None,
        "lists": [
            {
                "projection": found.name,
                "meaning": found.meaning,
                "hits": [
                    hit_document(rank, hit) | {"facts": _hit_facts_document(like.facts_of(hit))}
                    for rank, hit in enumerate(found.hits, 1)
                ],
            }
            for found in like.lists
        ],
    }


def entries_document(entries: "Entries") -> dict[str, Any]:
    """Return commits and notes for JSON output."""
    return {
        "version": JSON_VERSION,
        "entries": [_entry_document(entry) for entry in entries.entries],
        "more": entries.more,
    }


def why_document(why: "Why") -> dict[str, Any]:
    """Return why a place is as it is for JSON output."""
    span = why.span
    return {
        "file": why.file,
        "former": list(why.former),
        "removed": why.removed,
        "line": why.line,
        "symbol": (span.symbol or None) if span is not None else None,
        "kind": (span.kind or None) if span is not None else None,
        "first_line": span.first if span is not None else None,
        "last_line": span.last if span is not None else None,
        **entries_document(why.found),
    }


def _head_lines(like: "Like") -> list[Styled]:
    thing = like.thing
    if thing.path is None:
        first, *others = hit_lines(1, Hit(like.passage.item, 0.0, passage=like.passage))
        if thing.kind in {"commit", *KINDS}:
            return [first[1:], *others]
        return [[(f"session {shortened(thing.name)}", "place"), (f"  {_counted(len(thing.keys), 'note')}", "kind")]]
    where = thing.path if thing.line is None else f"{thing.path}:{thing.line}"
    symbol = f"  {shortened(thing.name)}" if thing.name != thing.path else ""
    return [[(shortened(where), "place"), (symbol, "bold"), (f"  {thing.kind}", "kind")]]


def _fact_lines(thing: "Thing", facts: "Facts") -> Iterable[str]:
    if facts.calls.callers:
        yield f"called by {_definitions(facts.calls.callers)}"
    if facts.calls.callees:
        yield f"calls {_definitions(facts.calls.callees)}"
    if thing.kind == "commit":
        if facts.files:
            yield f"touched {_listed(facts.files, PATHS_SHOWN)}"
        yield from (f"one of {_counted(author.commits, 'commit')} by {author.name}" for author in facts.authors)
    elif thing.kind in KINDS and facts.commits:
        yield f"named by {_counted(facts.commits, 'commit')} by {_authors(facts.authors)}"
        yield f"touched {_listed(facts.files, PATHS_SHOWN)}"
    elif facts.commits:
        which = "" if thing.kind == "file" else "file: "
        yield f"{which}{_counted(facts.commits, 'commit')} by {_authors(facts.authors)}"


def _together_lines(found: "Sequence[ChangedTogether]") -> list[Styled]:
    lines: list[Styled] = [[("", "plain")], [("changed together", "bold")]] if found else []
    for entry in found:
        gone = " (removed)" if entry.removed else ""
        told: Styled = [("     ", "plain"), (shortened(entry.file), "place"), (f"{gone}  {_together(entry)}", "faint")]
        lines.append(told)
    return lines


def _near_lines(like: "Like", rank: int, hit: Hit, *, whole: bool) -> Iterable[Styled]:
    """Yield the lines of a result; of one that stood in a list before, the first alone."""
    lines = hit_lines(rank, hit)
    yield lines[0]
    if not whole:
        return
    if hit.item.kind == "state":
        yield [(f"     {shortened(hit.item.text.removeprefix(STATE_PREFIX))}", "plain")]
    elif hit.item.kind != "file":
        yield from lines[1:]
    if told := ", ".join(_hit_facts(like.facts_of(hit), hit)):
        yield _faint(told)


def _hit_facts(facts: "HitFacts", hit: Hit) -> Iterable[str]:
    if facts.changed_together is not None:
        yield f"changed together {_together(facts.changed_together)}"
    if facts.calls:
        yield "is called by it"
    if facts.called:
        yield "calls it"
    if facts.touched:
        yield "touched it" if hit.item.commit is not None else "touched by it"
    if facts.same_author:
        yield "same author"


def _together(entry: "ChangedTogether") -> str:
    ago = age(entry.time, datetime.now(UTC))
    return f"{_counted(entry.count, 'time')}, last in {entry.commit[:SHORT_SHA]}{f', {ago}' if ago else ''}"


def _authors(authors: "Sequence[Author]") -> str:
    told = [f"{shortened(author.name)} ({author.commits})" for author in authors[:AUTHORS_SHOWN]]
    return _joined(told, len(authors))


def _definitions(found: "Sequence[Definition]") -> str:
    told = [f"{shortened(entry.name)} ({shortened(entry.file)}{_line(entry.line)})" for entry in found[:NAMES_SHOWN]]
    return _joined(told, len(found))


def _line(line: int | None) -> str:
    return f":{line}" if line is not None else ""


def _listed(names: Sequence[str], most: int) -> str:
    return _joined([shortened(name) for name in names[:most]], len(names))


def _joined(told: Sequence[str], count: int) -> str:
    more = f" and {count - len(told)} more" if count > len(told) else ""
    return ", ".join(told) + more


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _span(first: int, last: int) -> str:
    return f"line {first}" if first == last else f"lines {first} to {last}"


def _faint(text: str) -> Styled:
    return [(f"     {text}", "faint")]


def _facts_document(facts: "Facts") -> dict[str, Any]:
    return {
        "commits": facts.commits,
        "authors": [asdict(author) for author in facts.authors],
        "changed_together": [asdict(entry) for entry in facts.changed_together],
        "calls": [asdict(entry) for entry in facts.calls.callees],
        "called_by": [asdict(entry) for entry in facts.calls.callers],
        "files": list(facts.files),
    }


def _hit_facts_document(facts: "HitFacts") -> dict[str, Any]:
    return asdict(facts)


def _entry_document(entry: "Entry") -> dict[str, Any]:
    passage = entry.passage
    return {
        "kind": passage.kind,
        "text": f"{passage.symbol}\n\n{passage.body}".strip(),
        "time": passage.time,
        "author": passage.author,
        "commit": passage.commit,
        "session": passage.session,
        "file": passage.path,
        "line": passage.line,
        "state": passage.state,
        "status": passage.status,
        "url": passage.url,
        "files": list(entry.files),
    }
