"""Answers as short as agents take them: what says nothing is left out, and texts are cut until the whole fits. Pure."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from patina_assets.serving.answers.bounds import MOST_RESULTS

MOST_BYTES = 4_096
# More than the default number of results may take more.
BYTES_OF_A_RESULT = 400
CUT = "…"
ShortAnswer = dict[str, Any]


@dataclass(frozen=True)
class Room:
    """How much of an answer is given.

    Attributes:
        characters: Of each text.
        entries: Of each list within a result.
        results: Results.
    """

    characters: int
    entries: int
    results: int = MOST_RESULTS


_SHRINKING = ((400, 8), (300, 6), (200, 4), (120, 3), (60, 2), (30, 1))
# First the texts get shorter. Then results are left out, from the last one on.
ROOMS = (
    *(Room(*numbers) for numbers in _SHRINKING),
    *(Room(*_SHRINKING[-1], results) for results in range(MOST_RESULTS, 0, -1)),
)


def fitted(make: Callable[[Room], ShortAnswer], most_bytes: int, rooms: Sequence[Room] = ROOMS) -> str:
    """Return an answer as JSON, with as much room as fits.

    Args:
        make: Returns the answer for a room.
        most_bytes: How long the JSON may be, in UTF-8.
        rooms: The rooms to try, the largest first; the last one is taken where none fits.
    """
    text = ""
    for room in rooms:
        text = json.dumps(make(room), ensure_ascii=False, separators=(",", ":"))
        if len(text.encode("utf-8", "replace")) <= most_bytes:
            break
    return text


def bytes_for(results: int) -> int:
    """Return how long an answer of so many results may be."""
    return max(MOST_BYTES, results * BYTES_OF_A_RESULT)


def without_nothing(document: Mapping[str, Any]) -> ShortAnswer:
    """Return a document without the keys that say nothing."""
    return {key: value for key, value in document.items() if value not in (None, "", [], {}, False)}


def cut(text: str, characters: int) -> str:
    """Return the beginning of a text, with a mark where there is more."""
    return text if len(text) <= characters else text[:characters].rstrip() + CUT


def age_of(document: Mapping[str, Any]) -> ShortAnswer:
    """Return when the index was built and what is older than what it is made from."""
    stale = [f"{note['text']}: run `{note['command']}`" for note in document["stale"]]
    return {"built": document["built"], "stale": stale}


def hit_of(hit: Mapping[str, Any], room: Room) -> ShortAnswer:
    """Return a result: what it is, the name to ask on with, and its text."""
    kept = {key: hit[key] for key in ("rank", "kind", "name", "symbol", "state", "author", "time", "url")}
    facts = without_nothing(hit.get("facts") or {})
    if "changed_together" in facts:
        facts["changed_together"] = facts["changed_together"]["count"]
    return without_nothing({**kept, "facts": facts, "text": cut(hit["text"], room.characters)})


def entry_of(entry: Mapping[str, Any], room: Room) -> ShortAnswer:
    """Return a commit, a note or an issue."""
    name = f"commit {entry['commit']}" if entry["commit"] else entry["file"] or f"session {entry['session']}"
    kept = {key: entry[key] for key in ("kind", "time", "author", "state", "url")}
    named = {"name": name, **_some("files", entry["files"], room.entries)}
    return without_nothing({**kept, **named, "text": cut(entry["text"], room.characters)})


def facts_of(facts: Mapping[str, Any] | None, room: Room) -> ShortAnswer:
    """Return what is certain of a thing: files that changed with it, callers and callees, authors."""
    if facts is None:
        return {}
    lists: Mapping[str, Sequence[Any]] = {
        "authors": [f"{entry['name']} ({entry['commits']})" for entry in facts["authors"]],
        "changed_together": [f"{entry['file']} ({entry['count']})" for entry in facts["changed_together"]],
        **{key: [_definition(entry) for entry in facts[key]] for key in ("calls", "called_by")},
        "files": facts["files"],
    }
    more = facts.get("more", {})
    told: ShortAnswer = {"commits": facts["commits"]}
    for name, entries in lists.items():
        told |= _some(name, entries, room.entries, more.get(name, 0))
    return without_nothing(told)


def _definition(entry: Mapping[str, Any]) -> str:
    line = f":{entry['line']}" if entry["line"] is not None else ""
    return f"{entry['name']} ({entry['file']}{line})"


def _some(name: str, entries: Sequence[Any], most: int, more: int = 0) -> ShortAnswer:
    left = max(0, len(entries) - most) + more
    return {name: list(entries[:most]), f"more_{name}": left}
