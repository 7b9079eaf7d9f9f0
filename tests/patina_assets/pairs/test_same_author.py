"""`same_author`: files that one person worked on first."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

from commit_events import negatives_of
from deriver import Derived, Deriver
from eventlog_builder import Event, commit, project_history

from patina_assets.pairs.splits import Split

# same_author


def test_two_authors_with_five_commits_each_are_needed(derive: Deriver) -> None:
    def events(second: int) -> list[Event]:
        ada = [commit(f"a{number}", f"a{number}.py", message=f"Mine {number}") for number in range(9)]
        return ada + [commit(f"g{n}", f"g{n}.py", message=f"Hers {n}", author="grace") for n in range(second)]

    assert derive("same_author", events(4)).data.contexts == []
    assert {item.file for item in derive("same_author", events(4)).data.items if item.kind == "file"} == {
        f"a{number}.py" for number in range(9)
    }
    assert derive("same_author", events(5)).data.contexts
    one_person = [replace(event, data={**event.data, "author_email": "Ada@example.org"}) for event in events(9)]  # type: ignore[dict-item]
    assert derive("same_author", one_person).data.contexts == []


def test_contexts_hold_what_one_author_did_first(histories: Mapping[str, Derived]) -> None:
    derived = histories["same_author"]
    author_of: dict[str, str] = {}
    for event in project_history():
        if event.kind == "git.commit" and isinstance(event.data, Mapping):
            author_of[str(event.data["sha"])] = event.data["author_email"]
            for change in event.data["files"]:
                author_of.setdefault(change["path"], event.data["author_email"])
    groups = [
        {author_of[item.file or item.commit or ""] for item in context.members} for context in derived.data.contexts
    ]
    assert {frozenset(group) for group in groups} == {
        frozenset({f"{name}@example.org"}) for name in ("ada", "grace", "linus")
    }
    assert all(
        author_of[anchor.file or anchor.commit or ""] != author_of[negative.file or negative.commit or ""]
        for anchor, negative in negatives_of(derived)
    )
    assert not any(name in item.text for item in derived.data.items for name in ("ada", "example.org"))


def test_what_an_author_did_later_is_asked_about(histories: Mapping[str, Derived]) -> None:
    place = {event.source_id: place for place, event in enumerate(project_history())}
    last: dict[Split, int] = defaultdict(int)
    first: dict[Split, int] = defaultdict(lambda: 10**9)
    for context in histories["same_author"].data.contexts:
        for when in (place[item.commit] for item in context.members if item.commit is not None):
            last[context.split] = max(last[context.split], when)
            first[context.split] = min(first[context.split], when)
    assert last[Split.TRAIN] < first[Split.VALIDATION] <= last[Split.VALIDATION] < first[Split.TEST]


def test_a_person_of_two_addresses_is_one_author(derive: Deriver) -> None:
    ada = [commit(f"a{number}", f"a{number}.py", message=f"Mine {number}") for number in range(6)]
    grace = [commit(f"g{n}", f"g{n}.py", message=f"Hers {n}", author="grace") for n in range(6)]
    assert derive("same_author", ada + grace).data.contexts
    person = {"recorded_author": "Grace <grace@example.org>", "author_name": "Ada", "author_email": "Ada@Example.org"}
    identity = Event("git.identity", person, source_id="Grace <grace@example.org>")
    assert derive("same_author", [*ada, *grace, identity]).data.contexts == []
    assert derive("same_author", [*ada, *grace, identity, Event("git.removed", {"seqs": [13]})]).data.contexts
    # Once she was taken for Ada; now she is known to be another one.
    as_ada = [
        replace(event, data={**event.data, "author_email": "ada@example.org", "recorded_author": "Grace <g@x>"})  # type: ignore[dict-item]
        for event in grace
    ]
    herself = {"recorded_author": "Grace <g@x>", "author_name": "Grace", "author_email": "g@x"}
    assert derive("same_author", ada + as_ada).data.contexts == []
    assert derive("same_author", [*ada, *as_ada, Event("git.identity", herself)]).data.contexts
