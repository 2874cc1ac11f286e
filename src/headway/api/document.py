"""The OpenAPI document, with what the framework does not tell by itself: bodies are strict, POSTs take a key."""

import json
from functools import cache
from typing import Any

from litestar import Litestar

_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Up to 200 visible ASCII characters. The same call with the same key is carried out once; kept for a day.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"},
}


@cache
def document(app: Litestar) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(app.openapi_schema.to_schema()))
    for methods in found["paths"].values():
        for method, operation in methods.items():
            if method == "post":
                operation.setdefault("parameters", []).append(_KEY)
            for content in operation.get("requestBody", {}).get("content", {}).values():
                _close(found, content["schema"])
    return found


def _close(found: dict[str, Any], schema: dict[str, Any]) -> None:
    reference = schema.get("$ref", "")
    closed = found["components"]["schemas"][reference.rpartition("/")[2]] if reference else schema
    if closed.get("type") == "object":
        closed.setdefault("additionalProperties", False)
