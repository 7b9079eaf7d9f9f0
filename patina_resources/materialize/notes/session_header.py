"""The head of a session file or decision record: title, start, branch, from YAML front matter or `**Field**: value`."""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import yaml

from patina_resources.materialize.docs.markdown import HEADING, Markdown, heading_text, parse_markdown

MAXIMUM_FRONT_MATTER = 65_536
# A title is said again with every decision of a record.
LONGEST_TITLE = 1_000
FRONT_MATTER = re.compile(r"---[ \t]*\r?\n(.*?)\r?\n---[ \t]*(?:\r?\n|$)", re.DOTALL)
SESSION_TITLE = "Session: "
# Where white space may stand, it is that of one line: a search from every line over all that follow takes its square.
# `Date: ...`, `- **Date**: ...`, or the row `| Date | ... |` of a table.
PLAIN_FIELD = r"^(?:[*-]?[ \t]*\**(?:{0})\**:\**|\|[ \t]*\**(?:{0})\**:?\**[ \t]*\|)[ \t]*(\S.*)$"
PLAIN_DATE = re.compile(PLAIN_FIELD.format("Date|Initialized on"), re.MULTILINE | re.IGNORECASE)
PLAIN_STATUS = re.compile(PLAIN_FIELD.format("Status"), re.MULTILINE | re.IGNORECASE)
PLAIN_SUPERSEDED = re.compile(PLAIN_FIELD.format("(?:Superseded|Superceded|Replaced) by"), re.MULTILINE | re.IGNORECASE)
SUPERSEDED_KEYS = frozenset({"supersededby", "supercededby", "replacedby"})
NOT_LETTERS = re.compile(r"[\W_]++")
# How people write a day beside 2020-02-03, where it cannot be taken for another one.
OTHER_DATES = ("%Y/%m/%d", "%Y.%m.%d", "%d %B %Y", "%d %b %Y", "%B %d, %Y", "%b %d, %Y", "%d.%m.%Y")
WORK_TYPE = re.compile(r"Work Type:\s*([\w-]+)")
TIME_IN_NAME = re.compile(r"(\d{4})(\d{2})(\d{2})-(\d{2})(\d{2})(\d{2})")
DATE_IN_NAME = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})")


@dataclass(frozen=True)
class Header:
    """What a file says about itself, and the body that follows.

    Attributes:
        title: The title, else the name of the file.
        started_at: As it is written; None where it is not.
        ended_at: As it is written; None where it is not.
        branch: The git branch; None where it is not said.
        classification: The kind of work; None where it is not said.
        files_changed: How many files the session changed, 0 where it is not said.
        commits_made: How many commits the session made, 0 where it is not said.
        status: The status of a decision record in the front matter or a line of its own; None where it is not said.
        superseded_by: What takes the place of a decision record, said in the same places; None where nothing does.
        body: What follows the front matter.
        first_line: The number of the body's first line in the file, from 1.
        problem: What is wrong with the front matter, or "".
    """

    title: str
    started_at: str | None
    ended_at: str | None
    branch: str | None
    classification: str | None
    files_changed: int
    commits_made: int
    status: str | None
    superseded_by: str | None
    body: Markdown
    first_line: int
    problem: str = ""


def read_header(text: str, name: str) -> Header:
    """Return the head of a file whose name, without its ending, is `name`; `text` is as `decoded` returns it."""
    found = FRONT_MATTER.match(text)
    values, problem = _front_matter(found[1]) if found else ({}, "")
    # What is no front matter is text: a note may begin with a rule, and have another one further down.
    begun = found.end() if found and not problem else 0
    body = parse_markdown(text[begun:], labels=True)
    git = values.get("git")
    branch = git.get("branch") if isinstance(git, Mapping) else values.get("branch")
    prose = "\n".join(body.prose())
    work_type = WORK_TYPE.search(prose)
    return Header(
        title=(_text(values.get("title")) or _title(body) or name)[:LONGEST_TITLE],
        started_at=_text(values.get("created") or values.get("date")) or field(prose, "Started")
        or _value(PLAIN_DATE.search(prose)),
        ended_at=_text(values.get("ended")) or field(prose, "Ended"),
        branch=_text(branch) or field(prose, "Git Branch") or field(prose, "Branch"),
        classification=work_type[1] if work_type else None,
        files_changed=_count(prose, "Files Changed"),
        commits_made=_count(prose, "Commits"),
        status=_text(values.get("status")) or _value(PLAIN_STATUS.search(prose)),
        superseded_by=_superseded_by(values) or _value(PLAIN_SUPERSEDED.search(prose)),
        body=body,
        first_line=1 + text.count("\n", 0, begun),
        problem=problem or body.left_out,
    )  # fmt: skip


def _superseded_by(values: Mapping[str, Any]) -> str | None:
    named = (value for key, value in values.items() if NOT_LETTERS.sub("", str(key)).lower() in SUPERSEDED_KEYS)
    texts = (value if isinstance(value, list) else [value] for value in named)
    return ", ".join(text for found in texts for value in found if (text := _text(value))) or None


def _title(body: Markdown) -> str:
    titles = [heading_text(block) for block in body.blocks if block.kind == HEADING and block.level == 1]
    session = next((title for title in titles if title.startswith(SESSION_TITLE)), "")
    return session.removeprefix(SESSION_TITLE) or next(iter(titles), "")


def _value(found: re.Match[str] | None) -> str | None:
    if found is None:
        return None
    return (found[1].partition("|")[0] if found[0].startswith("|") else found[1]).strip()


def field(body: str, name: str) -> str | None:
    """Return the value of the first `**name**: value` line, or None."""
    return _value(re.search(rf"\*\*{re.escape(name)}\*\*:[ \t]*(\S.*)", body))


def _count(body: str, name: str) -> int:
    found = re.search(rf"{name}:\s*(\d{{1,9}})", body)
    return int(found[1]) if found else 0


def session_time(header: Header, name: str) -> str | None:
    """Return when a session began (ISO 8601): as it says, else as its file's name says; None where neither does."""
    if header.started_at is not None:
        for part in (header.started_at, header.started_at.split(" ")[0]):
            try:
                moment = datetime.fromisoformat(part)
            except ValueError:
                continue
            return part if "T" in part else moment.isoformat()
        for form in OTHER_DATES:
            with suppress(ValueError):
                return datetime.strptime(header.started_at, form).isoformat()
    if found := TIME_IN_NAME.match(name):
        year, month, day, hour, minute, second = found.groups()
        return _if_valid(f"{year}-{month}-{day}T{hour}:{minute}:{second}Z")
    if found := DATE_IN_NAME.match(name):
        return _if_valid(f"{found[1]}-{found[2]}-{found[3]}T00:00:00Z")
    return None


def _if_valid(moment: str) -> str | None:
    try:
        datetime.fromisoformat(moment)
    except ValueError:
        return None
    return moment


def _front_matter(text: str) -> tuple[Mapping[str, Any], str]:
    if len(text) > MAXIMUM_FRONT_MATTER:
        return {}, f"front matter is longer than {MAXIMUM_FRONT_MATTER} characters"
    try:
        # Every value stays the text that it is: a time must not be rewritten.
        document = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - builds texts, lists and mappings only
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError):  # the last two: an escape beyond Unicode
        return {}, "front matter is not valid YAML"
    return (document, "") if isinstance(document, Mapping) else ({}, "front matter is not a mapping")


def _text(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    # YAML can spell half of a surrogate pair, which no file can hold.
    return value.strip().encode("utf-8", "replace").decode() or None
