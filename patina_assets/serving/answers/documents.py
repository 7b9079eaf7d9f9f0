"""How results and passages read in an answer: bounded texts, matching lines, the name to ask on with. Pure."""

from patina_assets.facts.like import Like
from patina_assets.pairs.items import Item
from patina_assets.passages.passage import Group, Passage, group_of
from patina_assets.search.fusion import Hit
from patina_assets.search.lexical import telling_terms
from patina_assets.serving.answers.bounds import AnswerDocument, cut
from patina_assets.terminal.hits import best_lines, hit_document, marked

MATCH = "match"
# As many files that changed together, authors or callers as somebody looks at.
MOST_FACTS = 12


def hit_of(rank: int, hit: Hit, query: str, characters: int) -> AnswerDocument:
    """Return a result.

    Beside what `patina scry --json` says: `name`, which `like`, `passage` and `why` take; `lines`, the lines that match
    best, each as a list of [text, whether it is a word of the question]; and `cut`, whether there is more text.

    Args:
        rank: Its rank, from 1.
        hit: The result.
        query: The question; "" where there is none.
        characters: How much of its text is given.
    """
    document = hit_document(rank, hit)
    wanted = set(telling_terms(query)) if query.strip() else set()
    lines = best_lines(hit.passage, wanted) if hit.passage is not None else []
    return {
        **document,
        **cut(document["text"], characters),
        "name": name_of(hit.item),
        "lines": [[[text, style == MATCH] for text, style in marked(line, wanted) if text] for line in lines],
    }


def like_of_document(document: AnswerDocument, like: Like, characters: int) -> AnswerDocument:
    """Return what is like a thing, as `patina like --json` says it, with results as in a search."""
    lists = [
        {**told, "hits": [
            {**hit_of(rank, hit, "", characters), "facts": old["facts"]}
            for rank, (hit, old) in enumerate(zip(found.hits, told["hits"], strict=True), 1)
        ]}
        for told, found in zip(document["lists"], like.lists, strict=True)
    ]  # fmt: skip
    return {**document, "facts": _bounded(document["facts"]), "lists": lists}


def _bounded(facts: AnswerDocument | None) -> AnswerDocument | None:
    """Return facts with the first of each list, and by name of a list how many more there are."""
    if facts is None:
        return None
    lists = {name: value for name, value in facts.items() if isinstance(value, list)}
    more = {name: len(value) - MOST_FACTS for name, value in lists.items() if len(value) > MOST_FACTS}
    return {**facts, **{name: value[:MOST_FACTS] for name, value in lists.items()}, "more": more}


def passage_document(passage: Passage, characters: int) -> AnswerDocument:
    """Return a passage with its text, or the beginning of that."""
    return {
        "kind": passage.kind,
        "name": name_of(passage.item),
        "symbol": passage.symbol or None,
        "doc": passage.doc[:characters] or None,
        **cut(passage.body or passage.text, characters),
        "file": passage.path,
        "line": passage.line,
        "end_line": passage.end_line,
        "commit": passage.commit,
        "session": passage.session,
        "state": passage.state,
        "status": passage.status,
        "time": passage.time,
        "author": passage.author,
        "paths": list(passage.paths),
        "url": passage.url,
    }


def name_of(item: Item) -> str:
    """Return the name by which an item is found again: `path:line`, `commit SHA` or `session ID`."""
    if item.commit is not None:
        return f"commit {item.commit}"
    if item.file is not None:
        # A note is found by its file: no definition or section stands at its line.
        has_line = item.line is not None and group_of(item.kind) is not Group.NOTES
        return f"{item.file}:{item.line}" if has_line else item.file
    return f"session {item.session}" if item.session is not None else ""
