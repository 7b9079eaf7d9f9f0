"""What a passage is, which group of results it belongs to, and how long texts are cut."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from patina_assets.pairs.items import MAX_TEXT_CHARACTERS, Item
from patina_assets.passages.roles import Role, role_of_commit, role_of_definition

# A part of a long text: about what a reader sees at once, and what a model of 256 tokens reads.
PART_LINES = 40
PART_OVERLAP = 6
PART_CHARACTERS = 2_000


class Group(StrEnum):
    """The groups in which results are shown."""

    CODE = "code"
    DOCS = "docs"
    COMMITS = "commits"
    NOTES = "notes"


GROUP_OF_KIND = {
    "function": Group.CODE,
    "type": Group.CODE,
    "code": Group.CODE,
    "file": Group.CODE,
    "section": Group.DOCS,
    "commit": Group.COMMITS,
}


def group_of(kind: str) -> Group:
    """Return the group of a kind of passage; what is neither code, document nor commit is a note."""
    return GROUP_OF_KIND.get(kind, Group.NOTES)


@dataclass(frozen=True)
class Passage:
    """A piece of text that search can return, with its place.

    Attributes:
        kind: function, type, code (the rest of a source file), file (settings and other text), section, commit,
            the kind of a note, or issue, pr and comment.
        text: What is embedded.
        symbol: Qualified name of a definition, heading path of a section, subject of a commit, title of an issue; ""
            for a note.
        doc: Signature and doc comment; its words count more than those of the body.
        body: The text itself.
        path: Path in the repository, or None.
        line: First line, from 1.
        end_line: Last line.
        session: Session id of a note, name of an issue, or None.
        commit: Commit sha, or None.
        state: Such as `superseded` or `removed`, or None.
        time: When it was written (ISO 8601, UTC), or None.
        author: Who wrote it, or None.
        paths: What a commit touched, for its words.
        url: Where it stands on the web, or None.
        status: Whether an issue or a pull request is open, closed or merged; None for all else. It ranks as it would.
        is_test: Whether it is a definition of which its file says that it is a test.
    """

    kind: str
    text: str
    symbol: str = ""
    doc: str = ""
    body: str = ""
    path: str | None = None
    line: int | None = None
    end_line: int | None = None
    session: str | None = None
    commit: str | None = None
    state: str | None = None
    time: str | None = None
    author: str | None = None
    paths: tuple[str, ...] = ()
    url: str | None = None
    status: str | None = None
    is_test: bool = False

    @property
    def item(self) -> Item:
        """What is shown of it where items of all kinds are listed."""
        return Item(self.kind, self.text, self.path, self.session, self.commit, self.line, self.state)

    @property
    def group(self) -> Group:
        """The group of results that it belongs to."""
        return group_of(self.kind)

    @property
    def thing(self) -> str:
        """What is shown once however many of its passages are found: a file, a commit, a session."""
        return _thing(self.text[:MAX_TEXT_CHARACTERS], self.path, self.session, self.commit)

    @property
    def name(self) -> str:
        """What it is called itself: nothing for a comment, whose symbol is the title of what it is about."""
        return "" if self.kind == "comment" else self.symbol

    @property
    def role(self) -> Role:
        """The part that its file plays, or how much its commit says and does; of what has no file, that of source."""
        if self.group is Group.COMMITS:
            return role_of_commit(self.text, self.paths)
        if self.path is None:
            return Role.SOURCE
        return role_of_definition(self.path, self.symbol, is_test=self.is_test)

    def order(self) -> tuple[str, str, int, str, str, str]:
        """Return the sort key: content and place, so that the order of events does not matter."""
        return (self.kind, self.path or self.session or self.commit or "", self.line or 0, self.symbol, self.text,
                self.body)  # fmt: skip


def thing_of(item: Item) -> str:
    """Return what an item is about, as `Passage.thing` has it."""
    return _thing(item.text, item.file, item.session, item.commit)


def _thing(text: str, file: str | None, session: str | None, commit: str | None) -> str:
    if commit is not None:
        return f"commit {commit}"
    if file is not None:
        return f"path {file}"
    return f"session {session}" if session is not None else f"text {text}"


def parts_of(lines: list[str], first_line: int) -> Iterator[tuple[int, int, str]]:
    """Yield the parts of a text as (first line, last line, text): of at most PART_LINES and PART_CHARACTERS.

    Parts overlap by PART_OVERLAP lines, so that a thought is whole in one of them. A text of one part stays whole.

    Args:
        lines: The text.
        first_line: Number of its first line, from 1.
    """
    start = 0
    while start < len(lines):
        end, size = start + 1, len(lines[start])
        most = min(len(lines), start + PART_LINES)
        while end < most and size + len(lines[end]) < PART_CHARACTERS:
            size += len(lines[end]) + 1
            end += 1
        yield first_line + start, first_line + end - 1, "\n".join(lines[start:end])[:PART_CHARACTERS]
        if end >= len(lines):
            return
        start = max(end - PART_OVERLAP, start + 1)
