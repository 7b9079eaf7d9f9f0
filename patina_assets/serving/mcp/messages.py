"""Messages of agents that the SDK does not take, and answers nothing to or without their `id`. Pure."""

import json
import math
from typing import Any

from patina_resources.documents.json_value import json_value

# As JSON-RPC 2.0 numbers them.
PARSE_ERROR, INVALID_REQUEST = -32700, -32600


def refusal_of(message: str | bytes) -> str | None:
    """Return the answer to a message that nobody else answers, as JSON in ASCII; None to all others.

    Args:
        message: One message of JSON-RPC (bytes are UTF-8).
    """
    try:
        told = json_value(message if isinstance(message, str) else message.decode())
    except ValueError as error:
        return _error(PARSE_ERROR, f"the message is no JSON in UTF-8: {error}", None)
    if not isinstance(told, dict):
        return _error(INVALID_REQUEST, "the message is no object: send each message by itself", None)
    if not told.keys().isdisjoint({"result", "error"}) and "method" not in told:
        return None  # an answer, and we have asked nothing
    wrong = _wrong(told)
    return _error(*wrong, told.get("id")) if wrong is not None else None


def _wrong(told: dict[str, Any]) -> tuple[int, str] | None:
    """Return the number and the reason of what is wrong with a request or a notification."""
    if told.get("jsonrpc") != "2.0":
        return INVALID_REQUEST, 'jsonrpc: expected "2.0"'
    if not isinstance(told.get("method"), str):
        return INVALID_REQUEST, "method: expected a string"
    if not isinstance(told.get("params"), dict | None):
        return INVALID_REQUEST, "params: expected an object"
    if "id" in told and not _is_id(told["id"]):
        return INVALID_REQUEST, "id: expected a string or a whole number"
    try:
        json.dumps(told, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return PARSE_ERROR, "a text holds half a character (a surrogate such as \\ud83d alone): send whole characters"
    return None


def _is_id(told: object) -> bool:
    return isinstance(told, str | int) and not isinstance(told, bool)


def _error(number: int, reason: str, asked: object) -> str:
    known = _is_id(asked) or (isinstance(asked, float) and math.isfinite(asked))
    answer = {"jsonrpc": "2.0", "id": asked if known else None, "error": {"code": number, "message": reason}}
    return json.dumps(answer)
