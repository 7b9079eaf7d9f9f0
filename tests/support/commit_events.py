"""Commits and their files as events, and names in what is derived of them."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from deriver import Derived
from eventlog_builder import Event, commit, project_history

from patina_assets.pairs.items import Context, Item


def commits_of_the_history() -> dict[str, list[str]]:
    """Return the paths of each commit of the synthetic history, oldest first."""
    return {
        str(event.data["sha"]): [change["path"] for change in event.data["files"]]
        for event in project_history()
        if event.kind == "git.commit" and isinstance(event.data, Mapping)
    }


def negatives_of(derived: Derived) -> Iterator[tuple[Item, Item]]:
    """Yield the items of anchor and negative of each triplet; of items with one text, the last."""
    item_of = {item.text: item for item in derived.data.items}
    for anchor, _, negative in derived.triplets().tolist():
        yield item_of[derived.texts[anchor]], item_of[derived.texts[negative]]


def named(contexts: list[Context] | tuple[Context, ...]) -> list[list[str | None]]:
    return [[item.file or item.commit for item in context.members] for context in contexts]


def change(sha: str, hour: int, *files: tuple[str, str] | tuple[str, str, str], **keys: object) -> Event:
    """Return a commit as it is written today: of (path, change type) or (new path, "renamed", old path)."""
    listed = [dict(zip(("path", "change_type", "old_path"), file, strict=False)) for file in files]
    event = commit(sha, hour=hour, message=f"Do {sha}")
    return replace(event, data={**event.data, "files": listed, **keys})  # type: ignore[dict-item]
