"""The OpenAPI document of the API, made from the table of its operations. Pure."""

from typing import Any

from patina_assets.serving.operations import OPERATIONS, PROJECT, Operation, Parameter

SCHEMAS: dict[str, dict[str, Any]] = {
    "text": {"type": "string"},
    "number": {"type": "integer", "minimum": 0},
    "texts": {"type": "array", "items": {"type": "string"}},
}
ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string", "description": "One sentence: what is wrong, and what to do."}},
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
            "description": "All operations only read. The token of `patina ui` is sent as `Authorization: Bearer`.",
        },
        "servers": [{"url": address}],
        "security": [{"token": []}],
        "paths": {
            **{f"/{operation.name}": {"get": _described(operation)} for operation in OPERATIONS},
            "/status": {"get": _answers("status", "What can be searched, how old it is, and what is being built.")},
        },
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Error": ERROR},
        },
    }


def _described(operation: Operation) -> dict[str, Any]:
    parameters = [_parameter(parameter) for parameter in (*operation.parameters, PROJECT)]
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    found = _answers(operation.name, operation.summary)
    refused = {"400": {"description": "It cannot be answered.", "content": error}}
    return {**found, "parameters": parameters, "responses": {**found["responses"], **refused}}


def _answers(name: str, summary: str) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": summary,
        "responses": {
            "200": {"description": "The answer.", "content": {"application/json": {"schema": {"type": "object"}}}},
            "401": {"description": "The token is missing or wrong."},
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
