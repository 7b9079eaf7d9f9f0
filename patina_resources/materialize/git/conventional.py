"""Conventional commits (conventionalcommits.org 1.0.0): type, scope and breaking change of a commit message."""

import re
from typing import Any

HEADER = re.compile(r"(?P<type>\w+)(?:\((?P<scope>[^()]+)\))?(?P<breaking>!)?: +\S")
BREAKING_FOOTER = re.compile(r"^BREAKING[ -]CHANGE: ", re.MULTILINE)
PULL_REQUEST = re.compile(r"\(#(\d{1,18})\)$")
MERGED_PULL_REQUEST = re.compile(r"Merge pull request #(\d{1,18}) ")
# The words with which forges close an issue.
CLOSED_ISSUE = re.compile(r"\b(?:fix(?:e[sd])?|close[sd]?|resolve[sd]?):?\s+#(\d{1,18})\b", re.IGNORECASE)
PULL_REQUEST_LENGTH = 24


def parse_message(message: str) -> dict[str, Any] | None:
    """Return {type, scope, breaking, pr_ref, issue_refs} of a commit message, or None if it has none of them."""
    subject = message.split("\n", 1)[0].rstrip()
    header = HEADER.match(subject)
    merged = MERGED_PULL_REQUEST.match(subject)
    request = merged or PULL_REQUEST.search(subject[-PULL_REQUEST_LENGTH:])
    issues = list(dict.fromkeys(int(number) for number in CLOSED_ISSUE.findall(message)))
    if header is None and request is None and not issues:
        return None
    return {
        "type": header["type"] if header else None,
        "scope": header["scope"] if header else None,
        "breaking": header is not None and bool(header["breaking"] or BREAKING_FOOTER.search(message)),
        "pr_ref": int(request[1]) if request else None,
        "issue_refs": issues,
    }
