"""How search results read: place and symbol, the lines that match, and whose commit it is; and the same as JSON."""

import re
import shutil
from collections.abc import Mapping, Sequence, Set
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from patina_assets.passages.forge import KINDS, thread_number
from patina_assets.pipeline.plain_text import Style, Styled, harmless
from patina_assets.search.lexical import telling_terms, terms

if TYPE_CHECKING:
    from patina_assets.pairs.items import Item
    from patina_assets.passages.passage import Passage
    from patina_assets.search.fusion import Hit
    from patina_assets.search.searcher import Answer

LINES_SHOWN = 2
MEASURES = {"lexical": "BM25", "name": "exact", "reranker": "score"}
MOST_SHOWN = 500
# Words that differ in an ending have so many characters in common at least, and so many more at most.
LEAST_STEM, MOST_ENDING = 3, 3
# Raised when a key of a hit changes its meaning or is gone.
JSON_VERSION = 1
_WORD = re.compile(r"\w+")
DAYS = (("year", 365.25), ("month", 30.44), ("week", 7.0), ("day", 1.0))


def answer_lines(answer: "Answer", query: str, *, explain: bool) -> list[Styled]:
    """Return search results as lines, group by group, the group of the best hit first.

    Args:
        answer: What was found.
        query: What was asked: its words are marked.
        explain: Say the rank and the score that each list gave, and which lists took no part.
    """
    lines: list[Styled] = []
    ranked = list(enumerate(answer.hits, 1))
    groups = list(dict.fromkeys(_group(hit) for hit in answer.hits))
    for group in groups:
        if group:
            lines += [[(group, "bold")]]
        for rank, hit in ranked:
            if _group(hit) == group:
                lines += hit_lines(rank, hit, query, explain=explain)
    if explain:
        said = [f"{name}: {count} found" for name, count in answer.found.items()]
        said += [f"{name}: left out, {reason}" for name, reason in answer.left_out.items()]
        said += [f"reranker: {answer.reranked}"] if answer.reranked else []
        lines += [_plain(text) for text in ("", *said)]
    return lines


def hit_lines(rank: int, hit: "Hit", query: str = "", *, explain: bool = False, project: str = "") -> list[Styled]:
    """Return a search result as lines: rank, place, symbol and kind, then the lines of its text that match best.

    Args:
        rank: Its rank.
        hit: The result.
        query: What was asked: its words are marked.
        explain: Say the rank and the score that each list gave.
        project: The name of its project, where several were asked.
    """
    item, passage = hit.item, hit.passage
    symbol = passage.symbol if passage is not None and item.commit is None else ""
    head: list[tuple[str, Style]] = [(f"{rank:3}. ", "faint")]
    head += [(f"{harmless(project)}  ", "bold")] if project else []
    head.append((shortened(place(item, passage)), "place"))
    head += [("  ", "plain"), (shortened(symbol), "bold")] if symbol else []
    head += [("  ", "plain"), (_aside(item, passage), "kind")]
    if item.state:
        head.append((f" ({shortened(item.state)})", "plain"))
    width = max(40, min(shutil.get_terminal_size().columns, 120)) - 6
    wanted = set(telling_terms(query)) if query.strip() else set()
    texts = best_lines(passage, wanted) if passage is not None else _first_lines(item.text)
    shown = [marked(f"     {_cut(line, width)}", wanted) for line in texts]
    if passage is not None and passage.url:
        shown.append([(f"     {shortened(passage.url)}", "faint")])
    if also := ", ".join(filter(None, map(_within_file, hit.others))):
        shown.append([(_cut(f"     also {shortened(also)}", width + 5), "faint")])
    reasons = [
        _plain(f"     {name:<12} #{found.rank:<4} {MEASURES.get(name, 'cosine')} {found.score:.4f}")
        for name, found in (hit.places.items() if explain else ())
    ]
    return [head, *shown, *reasons]


def best_lines(passage: "Passage", wanted: Set[str]) -> list[str]:
    """Return the lines of a passage with most of the wanted words, in their order, equal ones once; else its first.

    Where no words are wanted, the first lines of a definition are its signature and doc comment.
    """
    text = passage.symbol if passage.kind == "commit" else ""
    body = passage.body if wanted or not passage.doc else passage.doc
    doc = passage.doc if passage.group == "code" else ""
    above = [line for line in doc.splitlines() if line.strip() not in body]  # a comment before a definition
    lines = list(dict.fromkeys(line.strip() for line in [text, *above, *body.splitlines()] if _WORD.search(line)))
    if passage.kind == "commit":
        return [shortened(line) for line in lines[:LINES_SHOWN]]
    counts = [len({word for term in terms(line) for word in wanted if _same_stem(term, word)}) for line in lines]
    best = sorted(range(len(lines)), key=lambda row: (-counts[row], row))[:LINES_SHOWN]
    return [shortened(lines[row]) for row in sorted(best)] or _first_lines(passage.text)


def marked(line: str, wanted: Set[str]) -> Styled:
    """Return a line with the words that are asked for, or hold one as a part, marked."""
    parts: list[tuple[str, Style]] = []
    end = 0
    for found in _WORD.finditer(line) if wanted else ():
        if any(_same_stem(term, word) for term in terms(found[0]) for word in wanted):
            parts += [(line[end : found.start()], "plain"), (found[0], "match")]
            end = found.end()
    return [*parts, (line[end:], "plain")]


def hit_document(rank: int, hit: "Hit") -> dict[str, Any]:
    """Return a search result for JSON output; `ranks` and `scores` are those of each list that found it."""
    item, passage = hit.item, hit.passage
    return {
        "version": JSON_VERSION,
        "rank": rank,
        "score": round(hit.score, 6),
        "group": _group(hit) or None,
        "kind": item.kind,
        "symbol": passage.symbol if passage is not None else None,
        "text": passage.body or item.text if passage is not None else item.text,
        "file": item.file,
        "line": item.line,
        "end_line": passage.end_line if passage is not None else None,
        "state": item.state,
        "session": item.session,
        "commit": item.commit,
        "author": passage.author if passage is not None else None,
        "url": passage.url if passage is not None else None,
        "status": passage.status if passage is not None else None,
        "time": passage.time if passage is not None else None,
        "also": [{"symbol": other.symbol, "line": other.line, "end_line": other.end_line} for other in hit.others],
        "ranks": {name: found.rank for name, found in hit.places.items()},
        "scores": {name: round(found.score, 6) for name, found in hit.places.items()},
    }


def missing_notes(missing: Mapping[str, str]) -> list[str]:
    """Return one sentence for each reason why lists were not searched."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in missing.items():
        by_reason.setdefault(reason, []).append(name)
    return [f"not searched: {', '.join(names)}: {reason}" for reason, names in by_reason.items()]


def age(time: str, now: datetime) -> str:
    """Return how long ago a time was, such as `2 years ago`; "" for what is no time."""
    try:
        then = datetime.fromisoformat(time)
    except ValueError:
        return ""
    days = (now - (then if then.tzinfo else then.replace(tzinfo=UTC))).total_seconds() / 86_400
    for name, length in DAYS:
        if days >= length:
            count = int(days / length)
            return f"{count} {name}{'s' if count > 1 else ''} ago"
    return "today" if days >= 0 else ""


def _aside(item: "Item", passage: "Passage | None") -> str:
    """Return the kind of a hit, whose it is and how old; of an issue, its status, too; of a commit no kind."""
    is_thread = item.kind in KINDS
    if passage is None or (item.commit is None and passage.time is None and not is_thread):
        return item.kind
    kind = "" if item.commit is not None else item.kind + (f" ({passage.status})" if passage.status else "")
    told = [kind, passage.author or "", age(passage.time, datetime.now(UTC)) if passage.time else ""]
    return shortened(", ".join(part for part in told if part)) or item.kind


def _group(hit: "Hit") -> str:
    return str(hit.passage.group) if hit.passage is not None else ""


def place(item: "Item", passage: "Passage | None" = None) -> str:
    """Return where an item is: `path:line`, `session ID`, `commit SHA`, or the number of an issue."""
    if passage is not None and item.kind in KINDS:
        return thread_number(item.session or "")
    if item.file:
        return item.file + (f":{item.line}" if item.line is not None else "")
    return f"session {item.session}" if item.session else f"commit {(item.commit or '')[:12]}"


def _within_file(passage: "Passage") -> str:
    line = f":{passage.line}" if passage.line is not None else ""
    return f"{line} {passage.symbol}".strip()


def _first_lines(text: str) -> list[str]:
    lines: Sequence[str] = [line.strip() for line in text[: MOST_SHOWN * LINES_SHOWN].splitlines() if line.strip()]
    return [shortened(line) for line in lines[:LINES_SHOWN]]


def shortened(text: str) -> str:
    """Return the beginning of a text on one line."""
    return harmless(" ".join(text[:MOST_SHOWN].split()))


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _same_stem(first: str, second: str) -> bool:
    """Return whether two words are alike but for an ending; FTS5's own stemmer decides what is found."""
    if first[:LEAST_STEM] != second[:LEAST_STEM]:  # most words
        return False
    shorter, longer = sorted((first, second), key=len)
    stem = shorter.removesuffix("s").removesuffix("e")
    is_ending = len(shorter) > LEAST_STEM and longer.startswith(stem) and len(longer) - len(shorter) <= MOST_ENDING
    return first == second or (is_ending and len(stem) >= LEAST_STEM)


def _plain(text: str) -> Styled:
    return [(text, "plain")]
