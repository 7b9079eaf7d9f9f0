"""The OpenAPI document of the API, made from the table of its operations. Pure."""

from typing import Any

from patina_assets.serving.answers.new_notes import MOST_ABOUT
from patina_assets.serving.operations import OPERATIONS, PROJECT, Operation, Parameter
from patina_resources.materialize.notes.writing import SECTIONS

SCHEMAS: dict[str, dict[str, Any]] = {
    "text": {"type": "string"},
    "number": {"type": "integer", "minimum": 0},
    "texts": {"type": "array", "items": {"type": "string"}},
}
# As RFC 9457 has it.
PROBLEM = {
    "type": "object",
    "required": ["title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "One sentence: what is wrong, and what to do."},
        "error": {"type": "string", "description": "The same sentence."},
    },
}
REFUSED = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
NOTE_SCHEMA = {
    "type": "object",
    "required": ["text"],
    "properties": {
        "text": {"type": "string"},
        "kind": {"enum": list(SECTIONS), "default": "observation"},
        "about": {"type": "array", "items": {"type": "string"}, "maxItems": MOST_ABOUT},
        "project": {"type": "string"},
    },
}


def openapi_document(address: str) -> dict[str, Any]:
    """Return the document (OpenAPI 3.1).

    Args:
        address: What the addresses of all operations begin with.
    """
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Patina",
            "version": "1",
            "description": "All operations but `note` only read. The token of `patina ui` is sent as "
            "`Authorization: Bearer`.",
        },
        "servers": [{"url": address}],
        "security": [{"token": []}],
        "paths": {
            **{f"/{operation.name}": {"get": _described(operation)} for operation in OPERATIONS},
            "/note": {"post": _note()},
            "/status": {"get": _answers("status", "What can be searched, how old it is, and what is being built.")},
        },
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Problem": PROBLEM},
        },
    }


def _described(operation: Operation) -> dict[str, Any]:
    parameters = [_parameter(parameter) for parameter in (*operation.parameters, PROJECT)]
    found = _answers(operation.name, operation.summary)
    refused = {"400": {"description": "It cannot be answered.", "content": REFUSED}}
    return {**found, "parameters": parameters, "responses": {**found["responses"], **refused}}


def _note() -> dict[str, Any]:
    found = _answers("note", "Writes a note, as `patina note` does. It is off unless its user has switched it on.")
    body = {"required": True, "content": {"application/json": {"schema": NOTE_SCHEMA}}}
    off = {"403": {"description": "Notes from the page are off.", "content": REFUSED}}
    wrong = {"400": {"description": "It cannot be written.", "content": REFUSED}}
    return {**found, "requestBody": body, "responses": {**found["responses"], **wrong, **off}}


def _answers(name: str, summary: str) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": summary,
        "responses": {
            "200": {"description": "The answer.", "content": {"application/json": {"schema": {"type": "object"}}}},
            "401": {"description": "The token is missing or wrong.", "content": REFUSED},
            "429": {"description": "Too many requests of this client wait already.", "content": REFUSED},
        },
    }


def _parameter(parameter: Parameter) -> dict[str, Any]:
    schema = dict(SCHEMAS[parameter.kind])
    if parameter.default not in (None, ()):
        schema["default"] = parameter.default
    return {
        "name": parameter.name,
        "in": "query",
        "required": parameter.needed,
        "description": parameter.meaning,
        "schema": schema,
    }
