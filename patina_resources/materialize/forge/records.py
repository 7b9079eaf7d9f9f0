"""What an object of a forge's tool says: an issue, a pull request or a comment, whoever spells it.

`gh` spells `createdAt` and `author.login`, GitHub's API `created_at` and `user.login`, GitLab's API and `glab` `iid`,
`description` and `web_url`, and a project export of GitLab leaves addresses and names of authors out.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from patina_resources.errors import shown
from patina_resources.materialize.forge.values import WrongValueError

MOST_BODY = 65_536
MOST_LINE = 1_000
MOST_URL = 2_000
MOST_LABELS = 100
MOST_FILES = 1_000
MOST_NUMBER = 10**12
ISSUE, PULL_REQUEST, COMMENT = "issue", "pr", "comment"
# Keys that an issue does not have.
OF_PULL_REQUESTS = (
    "pull_request", "mergedAt", "merged_at", "mergeCommit", "merge_commit_sha", "headRefName", "baseRefName", "isDraft",
    "source_branch", "target_branch", "head", "base", "merge_status",
)  # fmt: skip
OF_COMMENTS = ("issue_url", "pull_request_url", "noteable_type", "noteable_iid")
STATES = {"opened": "open"}
_URL = re.compile(
    r"https?://(?P<place>[^/\s#?!]++/[^\s#?!]*?)/(?:-/)?(?P<kind>issues|pull|pulls|merge_requests|work_items)/"
    r"(?P<number>[0-9]{1,12})(?:[/?][^#]*)?(?:#(?P<fragment>\S*))?"
)
_SHA = re.compile(r"[0-9a-f]{7,64}")


@dataclass(frozen=True)
class ForgeRecord:
    """What is said of an issue, a pull request or a comment.

    Attributes:
        kind: `issue`, `pr` or `comment`.
        place: Host and repository, such as `github.com/owner/name`; "" where that is not told.
        name: `#12` or, of a merge request, `!12`; of a comment, that and what tells it from the others.
        fields: The payload, as far as it is told.
        cut: Whether its text is longer than what is kept.
    """

    kind: str
    place: str
    name: str
    fields: Mapping[str, Any]
    cut: bool


def records_of(entry: Mapping[str, Any]) -> Iterator[ForgeRecord]:
    """Yield what an object says: an issue or a pull request with the comments in it, or a comment that stands alone.

    Raises:
        WrongValueError: It is none of them, or a value has the wrong type.
    """
    number = _number(entry, "number", "iid")
    if number is None and any(entry.get(key) is not None for key in OF_COMMENTS):
        yield from _comment(entry, *_parent(entry))
        return
    if number is None:
        raise WrongValueError("neither an issue, a pull request nor a comment: expected `number` or `iid`")
    url = _url(entry)
    found = _address(url)
    is_request = any(entry.get(key) is not None for key in OF_PULL_REQUESTS) or _is_request(found)
    name = f"{'!' if is_request and 'iid' in entry else '#'}{number}"
    place = found["place"] if found else ""
    fields = _thread_fields(entry, is_request=is_request) | {"number": number} | ({"url": url} if url else {})
    is_cut = len(_text(entry, "body", "description") or "") > MOST_BODY
    yield ForgeRecord(PULL_REQUEST if is_request else ISSUE, place, name, fields, is_cut)
    for key in ("comments", "reviews", "notes"):
        for comment in _objects(entry, key):
            yield from _comment(comment, place, name)


def _address(url: str | None) -> re.Match[str] | None:
    """Return the parts of the address of an issue, a pull request or a comment; None where it is none."""
    return _URL.fullmatch(url) if url and len(url) <= MOST_URL else None


def _is_request(url: re.Match[str] | None) -> bool:
    return url is not None and url["kind"] in {"pull", "pulls", "merge_requests"}


def _thread_fields(entry: Mapping[str, Any], *, is_request: bool) -> dict[str, Any]:
    """Return what is told of an issue or a pull request; what is told to be nothing is None."""
    fields: dict[str, Any] = {}
    if "title" in entry:
        fields["title"] = _line(_text(entry, "title"))
    if "body" in entry or "description" in entry:
        fields["body"] = (_text(entry, "body", "description") or "")[:MOST_BODY]
    if state := _text(entry, "state"):
        fields["state"] = STATES.get(state.lower(), _line(state.lower()))
    if "author" in entry or "user" in entry:
        fields["author"] = _author(entry)
    times = {"created_at": ("createdAt", "created_at"), "closed_at": ("closedAt", "closed_at")}
    if is_request:
        times["merged_at"] = ("mergedAt", "merged_at")
    fields |= {name: _time(entry, *keys) for name, keys in times.items() if any(key in entry for key in keys)}
    if "labels" in entry or "label_links" in entry:
        fields["labels"] = _labels(entry)
    if is_request and (commit := _merge_commit(entry)):
        fields["merge_commit"] = commit
    if is_request and (files := _files(entry)):
        fields["files"] = files
    if fields.get("state") == "closed" and (fields.get("merged_at") or _was_merged(entry)):
        fields["state"] = "merged"
    return fields


def _comment(entry: Mapping[str, Any], place: str, name: str) -> Iterator[ForgeRecord]:
    """Yield a comment; nothing for what the forge itself notes down, and for an approval without a word."""
    body = (_text(entry, "body", "note") or "").strip()
    if not body or entry.get("system") is True:
        return
    url = _url(entry)
    author, time = _author(entry), _time(entry, "createdAt", "created_at", "submittedAt", "submitted_at")
    fields = {"body": body[:MOST_BODY], "author": author, "url": url, "created_at": time}
    kept = {key: value for key, value in fields.items() if value}
    yield ForgeRecord(COMMENT, place, f"{name} {_comment_key(entry, url)}", kept, len(body) > MOST_BODY)


def _parent(entry: Mapping[str, Any]) -> tuple[str, str]:
    """Return the place and the name of what a comment that stands alone is about."""
    found = _address(_url(entry))
    if found is not None:
        return found["place"], f"{'!' if found['kind'] == 'merge_requests' else '#'}{int(found['number'])}"
    number = _number(entry, "noteable_iid")
    if number is not None:
        return "", f"{'!' if entry.get('noteable_type') == 'MergeRequest' else '#'}{number}"
    told = _address(_text(entry, "issue_url", "pull_request_url"))
    if told is None:
        raise WrongValueError("a comment that does not say on what: expected `html_url`, `issue_url` or `noteable_iid`")
    return "", f"#{int(told['number'])}"


def _comment_key(entry: Mapping[str, Any], url: str | None) -> str:
    found = _address(url)
    if found is not None and found["fragment"]:
        return _line(found["fragment"])
    own = entry.get("id")
    if isinstance(own, int) and not isinstance(own, bool):
        return f"note_{own}"
    if own is None:
        time = _time(entry, "createdAt", "created_at", "submittedAt", "submitted_at")
        return "_".join(f"{time} {_author(entry)}".split())
    if not isinstance(own, str):
        raise WrongValueError(f"id: expected text or a whole number, got {shown(own)}")
    return "_".join(_line(_clean(own, "id")).split())


def _text(entry: Mapping[str, Any], *keys: str) -> str | None:
    """Return the first of some values that is told, without what no text has; None where none is."""
    for key in keys:
        value = entry.get(key)
        if value is not None:
            if not isinstance(value, str):
                raise WrongValueError(f"{key}: expected text, got {shown(value)}")
            return _clean(value, key)
    return None


def _clean(text: str, key: str) -> str:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise WrongValueError(f"{key}: half of a surrogate pair, which no text can hold") from error
    return text.replace("\r\n", "\n").replace("\0", "")


def _line(text: str | None) -> str:
    return " ".join((text or "")[:MOST_LINE].split())


def _number(entry: Mapping[str, Any], *keys: str) -> int | None:
    for key in keys:
        value = entry.get(key)
        if value is not None:
            if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < MOST_NUMBER:
                raise WrongValueError(f"{key}: expected a whole number above 0, got {shown(value)}")
            return value
    return None


def _url(entry: Mapping[str, Any]) -> str | None:
    """Return the address for people; None where there is none, or one for programs alone."""
    url = _text(entry, "html_url", "web_url", "url")
    is_for_programs = not ("html_url" in entry or "web_url" in entry) and url is not None and "/repos/" in url
    if url is None or len(url) > MOST_URL or is_for_programs or not re.match(r"https?://\S++$", url):
        return None
    return url


def _time(entry: Mapping[str, Any], *keys: str) -> str | None:
    text = _text(entry, *keys)
    # `gh` writes the first year for what has not happened.
    if not text or text.startswith("0001-"):
        return None
    try:
        datetime.fromisoformat(text)
    except ValueError as error:
        raise WrongValueError(f"{keys[0]}: expected a time such as 2026-01-31T12:00:00Z, got {shown(text)}") from error
    return text


def _author(entry: Mapping[str, Any]) -> str | None:
    value = entry.get("author") or entry.get("user")
    if isinstance(value, Mapping):
        return _line(_text(value, "login", "username", "name")) or None
    if value is None or isinstance(value, str):
        return _line(_clean(value or "", "author")) or None
    raise WrongValueError(f"author: expected an object with `login` or `username`, got {shown(value)}")


def _objects(entry: Mapping[str, Any], key: str) -> Iterator[Mapping[str, Any]]:
    """Yield the objects of a list; nothing for a number, which is how many there are elsewhere."""
    value = entry.get(key)
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return
    if not isinstance(value, list):
        raise WrongValueError(f"{key}: expected a list, got {shown(value)}")
    for own in value:
        if not isinstance(own, dict):
            raise WrongValueError(f"{key}: expected a list of objects, got {shown(own)} in it")
        yield own


def _labels(entry: Mapping[str, Any]) -> list[str]:
    named = entry.get("labels") or [link.get("label") for link in _objects(entry, "label_links")]
    if not isinstance(named, list):
        raise WrongValueError(f"labels: expected a list, got {shown(named)}")
    found = []
    for label in named[:MOST_LABELS]:
        text = _text(label, "name", "title") if isinstance(label, dict) else label
        if not isinstance(text, str):
            raise WrongValueError(f"labels: expected names or objects with `name`, got {shown(label)}")
        found.append(_line(_clean(text, "labels")))
    return found


def _merge_commit(entry: Mapping[str, Any]) -> str | None:
    own = entry.get("mergeCommit")
    sha = _text(own, "oid") if isinstance(own, Mapping) else _text(entry, "merge_commit_sha", "squash_commit_sha")
    return sha if sha and _SHA.fullmatch(sha) else None


def _was_merged(entry: Mapping[str, Any]) -> bool:
    """Return whether the list of issues of GitHub's API says that a pull request was merged."""
    request = entry.get("pull_request")
    return isinstance(request, Mapping) and request.get("merged_at") is not None


def _files(entry: Mapping[str, Any]) -> list[str]:
    diff = entry.get("merge_request_diff")
    lists = (
        _objects(entry, "files"),
        _objects(entry, "changes"),
        _objects(diff, "merge_request_diff_files") if isinstance(diff, Mapping) else (),
    )
    found = (path for own in lists for change in own if (path := _text(change, "path", "new_path")))
    return sorted({path[:4096] for _, path in zip(range(MOST_FILES), found, strict=False)})
