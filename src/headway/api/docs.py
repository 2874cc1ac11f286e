"""`/api/docs`: the API's document as a page to read. No script, nothing from elsewhere.

A person reads it in a browser, so here alone in the API a session counts as well as a token.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from html import escape
from typing import Any

from litestar import Response, get

from headway.api.access import ApiRequest, NobodyKnown, actor_of, server_of
from headway.api.document import document
from headway.engine.access.sessions import COOKIE
from headway.engine.permissions import Action, require

_METHODS = ("get", "post", "put", "patch", "delete")
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-cache",
}
#: Deeper within an object its parts are named, not shown.
_DEEPEST = 3


@get("/api/docs", include_in_schema=False)
async def docs(request: ApiRequest) -> Response[bytes]:
    try:
        await _reader(request)
    except NobodyKnown:
        if "text/html" not in request.headers.get("accept", ""):
            raise
        headers = {"Location": "/sign-in?next=%2Fapi%2Fdocs", "Cache-Control": "no-store"}
        return Response(b"", status_code=303, headers=headers)
    page = _page(request.app)
    return Response(page.encode(), media_type="text/html", headers=_HEADERS)


@get("/api/openapi.json", include_in_schema=False)
async def openapi(request: ApiRequest) -> Response[bytes]:
    await _reader(request)
    content = _document(request.app)
    return Response(
        content, media_type="application/vnd.oai.openapi+json", headers={"Cache-Control": "private, no-cache"}
    )


async def _reader(request: ApiRequest) -> None:
    """Raises NobodyKnown, NotAllowed."""
    session = request.cookies.get(COOKIE, "")
    address = request.client.host if request.client else ""
    people = server_of(request).people
    actor = await people.actor_of_session(session, address=address) if session else None
    require(actor or await actor_of(request), Action.LOOK, team=None)


@cache
def _document(app: Any) -> bytes:
    return json.dumps(document(app)).encode()


@cache
def _page(app: Any) -> str:
    return "".join(page_of(document(app)))


def page_of(told: Mapping[str, Any]) -> Iterator[str]:
    """The whole page, piece by piece."""
    info = told["info"]
    title = escape(f"{info['title']} API {info['version']}")
    yield (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{title}</title><link rel="stylesheet" href="/static/api.css"></head>'
        f'<body><header><p><a href="/">Headway</a></p><h1>{title}</h1>'
    )
    for paragraph in info.get("description", "").strip().split("\n\n"):
        yield f"<p>{_words(paragraph)}</p>"
    yield '<p>As a document for programs: <a href="/api/openapi.json">openapi.json</a>.</p></header>'
    found = _by_tag(told)
    yield '<nav aria-label="Parts"><ul>'
    yield from (f'<li><a href="#{escape(tag)}">{escape(tag)}</a></li>' for tag in found)
    yield "</ul></nav><main>"
    for tag, routes in found.items():
        yield f'<section id="{escape(tag)}"><h2>{escape(tag.capitalize())}</h2>'
        for path, method, operation in routes:
            yield from _operation(told, path, method, operation)
        yield "</section>"
    yield "</main></body></html>"


def _by_tag(told: Mapping[str, Any]) -> dict[str, list[tuple[str, str, Mapping[str, Any]]]]:
    found: dict[str, list[tuple[str, str, Mapping[str, Any]]]] = {}
    for path, routes in told["paths"].items():
        for method in _METHODS:
            if method in routes:
                operation = routes[method]
                tag = (operation.get("tags") or ["other"])[0]
                found.setdefault(tag, []).append((path, method, operation))
    return found


def _operation(
    told: Mapping[str, Any], path: str, method: str, operation: Mapping[str, Any]
) -> Iterator[str]:
    name = escape(operation["operationId"])
    yield (
        f'<article id="{name}"><h3><a href="#{name}"><b class="{method}">{method.upper()}</b> '
        f"<code>{escape(path)}</code></a></h3><p>{_words(operation.get('summary', ''))}</p>"
    )
    if said := operation.get("description", ""):
        yield f"<p>{_words(said)}</p>"
    if given := operation.get("parameters"):
        yield "<h4>Parameters</h4><dl>"
        yield from (_parameter(told, one) for one in given)
        yield "</dl>"
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"<h4>Body, <code>{escape(media_type)}</code></h4>"
        yield _schema(told, content.get("schema", {}))
    yield "<h4>Answers</h4><dl>"
    for status, answer in operation.get("responses", {}).items():
        yield f"<dt><code>{escape(status)}</code></dt><dd>{_words(answer.get('description', ''))}"
        if status.startswith("2"):
            for media_type, content in answer.get("content", {}).items():
                yield f" <code>{escape(media_type)}</code>"
                yield _schema(told, content.get("schema", {}))
        yield "</dd>"
    yield "</dl></article>"


def _parameter(told: Mapping[str, Any], one: Mapping[str, Any]) -> str:
    must = "" if not one.get("required") else ", needed"
    kind = _kind(told, one.get("schema", {}))
    said = one.get("description", "")
    return (
        f"<dt><code>{escape(one['name'])}</code> <small>{escape(one['in'])}, {escape(kind)}{must}</small></dt>"
        f"<dd>{_words(said)}</dd>"
    )


def _schema(told: Mapping[str, Any], schema: Mapping[str, Any], depth: int = 0) -> str:
    """An object as a list of its parts; anything else in a word."""
    schema = _resolved(told, schema)
    if schema.get("type") == "array":
        inside = _resolved(told, schema.get("items", {}))
        if inside.get("properties") and depth < _DEEPEST:
            return f"<p>a list of</p>{_schema(told, inside, depth)}"
    parts = schema.get("properties")
    if not parts or depth >= _DEEPEST:
        return f" <small>{escape(_kind(told, schema))}</small>"
    needed = set(schema.get("required", ()))
    rows = [
        f"<dt><code>{escape(name)}</code> <small>{escape(_kind(told, part))}"
        f"{'' if name in needed else ', may be absent'}</small></dt>"
        f"<dd>{_inner(told, part, depth + 1)}</dd>"
        for name, part in parts.items()
    ]
    return f'<dl class="parts">{"".join(rows)}</dl>'


def _inner(told: Mapping[str, Any], part: Mapping[str, Any], depth: int) -> str:
    for one in (part, *part.get("oneOf", ())):
        found = _resolved(told, one)
        if found.get("type") == "array":
            found = _resolved(told, found.get("items", {}))
        if found.get("properties"):
            return _schema(told, found, depth) if depth < _DEEPEST else ""
    return ""


def _resolved(told: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    found: Any = told
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    assert isinstance(found, Mapping)
    return found


def _kind(told: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    schema = _resolved(told, schema)
    if several := schema.get("oneOf") or schema.get("anyOf"):
        return " or ".join(dict.fromkeys(_kind(told, one) for one in several))
    if choices := schema.get("enum"):
        return ", ".join(str(choice) for choice in choices)
    kind = schema.get("type", "anything")
    if isinstance(kind, list):
        return " or ".join(kind)
    if kind == "array":
        return f"list of {_kind(told, schema.get('items', {}))}"
    return str(schema.get("format") or kind)


def _words(text: str) -> str:
    """Plain text, with what stands in backquotes as code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(parts))


ROUTES = (docs, openapi)
