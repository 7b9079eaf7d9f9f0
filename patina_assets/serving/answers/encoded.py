"""Answers that are JSON already: what many of them hold is kept once, however many are being sent."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from patina_resources.store.files import sha256


@dataclass(frozen=True)
class EncodedAnswer:
    """An answer as JSON.

    Attributes:
        parts: Joined, they are the JSON.
        digest: SHA-256 (hex) of what it holds.
    """

    parts: tuple[bytes, ...]
    digest: str


@dataclass(frozen=True)
class EncodedDocument:
    """A document as JSON, for the end of many answers.

    Attributes:
        rest: Its JSON without the first brace.
        digest: SHA-256 (hex) of that.
    """

    rest: bytes
    digest: str

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """Return a document that is not empty as JSON."""
        rest = json.dumps(document).encode()[1:]
        return cls(rest, sha256(rest))

    def after(self, first: Mapping[str, Any]) -> EncodedAnswer:
        """Return the answer that holds first some other keys, at least one, and then those of the document."""
        head = json.dumps(first).encode()[:-1] + b", "
        return EncodedAnswer((head, self.rest), sha256(head + self.digest.encode()))
