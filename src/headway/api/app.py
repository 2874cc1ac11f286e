"""The API as one application: routes by noun, errors as problem documents, OpenAPI at /api/openapi.json."""

import logging
from typing import Any

import msgspec
from litestar import Litestar, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from headway import __version__
from headway.api import (
    audit,
    backup,
    delivery,
    deployments,
    docs,
    events,
    hosts,
    org,
    people,
    queue,
    releases,
    remote,
    repositories,
    requests,
    run_logs,
    runs,
    secrets,
    services,
    system,
    tokens,
    tries,
    webhooks,
)
from headway.api.access import ApiRequest, NobodyKnown
from headway.api.asgi import Application
from headway.api.door import BODY, Door
from headway.api.problems import MEDIA_TYPE, problem_bytes, status_of
from headway.api.routes import faults_of
from headway.api.unchanged import Unchanged
from headway.base.errors import HeadwayError
from headway.engine.server.server import Server

log = logging.getLogger("headway.api")

_MODULES = (
    system,
    services,
    repositories,
    runs,
    run_logs,
    tries,
    releases,
    requests,
    deployments,
    hosts,
    remote,
    delivery,
    queue,
    secrets,
    people,
    tokens,
    audit,
    org,
    webhooks,
    backup,
    events,
    docs,
)
_DESCRIPTION = """\
Everything the pages do. A token goes with each call: `Authorization: Bearer hw_…`.

Lists come in pages: `items`, and `next`, which is the `after` of the next page. Instants are ISO 8601 in UTC. Errors
are problem documents (RFC 9457) with all faults at once and a hint at what to do next. A GET answers with an `ETag`;
sent back as `If-None-Match` it costs 304 and no body. A POST with an `Idempotency-Key` may be sent again for a day:
it is carried out once and answered the same.
"""


def create_api(server: Server) -> Application:
    """Everything below /api, and what watches the server."""
    app = routes()
    app.state.server = server
    return Door(server, Unchanged(app))  # type: ignore[arg-type]


def routes() -> Litestar:
    handlers: list[Any] = []
    for module in _MODULES:
        handlers += module.ROUTES
    return Litestar(
        route_handlers=handlers,
        exception_handlers={
            HeadwayError: _ours,
            NobodyKnown: _unknown,
            ValidationException: _invalid,
            HTTPException: _http,
            msgspec.ValidationError: _invalid_shape,
            RecursionError: _too_deep,
            Exception: _unexpected,
        },
        state=State(),
        openapi_config=OpenAPIConfig(
            title="Headway",
            version=__version__,
            description=_DESCRIPTION,
            # Not among our addresses: `api.docs` hands the document out.
            path="/openapi",
            components=Components(
                security_schemes={
                    "token": SecurityScheme(type="http", scheme="bearer", description="A token: hw_…")
                }
            ),
            security=[{"token": []}],
            use_handler_docstrings=True,
            render_plugins=[JsonRenderPlugin()],
        ),
        logging_config=None,
        debug=False,
        # The door has measured it.
        request_max_body_size=None,
    )


def _answer(
    status: int, detail: str, *, hint: str | None = None, headers: Any = None, **more: Any
) -> Response[bytes]:
    told = {name: value for name, value in more.items() if value}
    content = problem_bytes(status, detail, hint=hint, more=told)
    return Response(content, status_code=status, media_type=MEDIA_TYPE, headers=headers)


def _ours(_: ApiRequest, error: HeadwayError) -> Response[bytes]:
    status = status_of(error)
    scope = getattr(error, "scope", None)
    faults = getattr(error, "faults", None)
    shown = [str(fault) for fault in faults] if faults else None
    if status >= 500:
        log.error("%s: %s", type(error).__name__, error.message)
    return _answer(
        status, error.message, hint=error.hint, scope=scope, faults=shown, exit_code=error.exit_code
    )


def _unknown(_: ApiRequest, error: NobodyKnown) -> Response[bytes]:
    return _answer(401, error.detail, headers={"WWW-Authenticate": "Bearer"})


def _invalid(request: ApiRequest, error: HTTPException) -> Response[bytes]:
    """With all that is wrong with the body, of which the framework tells the first fault only."""
    faults = [_fault(extra) for extra in error.extra or ()]
    field = getattr(request.route_handler, "parsed_data_field", None)
    body = request.scope.get(BODY)
    if field is not None and isinstance(body, bytes):
        faults = faults_of(body, field.annotation) or faults
    detail = "; ".join(faults[:3]) if faults else error.detail
    return _answer(400, detail, faults=faults)


def _fault(extra: Any) -> str:
    if not isinstance(extra, dict):
        return str(extra)
    # Some names mean something else to the framework, and have `in_` before them in the code.
    key = str(extra.get("key", "")).removeprefix("in_")
    return f"{key}: {extra['message']}" if key else str(extra.get("message", extra))


def _invalid_shape(_: ApiRequest, error: msgspec.ValidationError) -> Response[bytes]:
    return _answer(400, str(error))


def _too_deep(_: ApiRequest, error: RecursionError) -> Response[bytes]:
    return _answer(400, "the body is nested deeper than anything that is meant")


def _http(request: ApiRequest, error: HTTPException) -> Response[bytes]:
    if error.status_code == 400:
        return _invalid(request, error)
    return _answer(error.status_code, error.detail, headers=error.headers)


def _unexpected(request: ApiRequest, error: Exception) -> Response[bytes]:
    """A fault of ours: the trace goes to the log, and nothing of it to the caller."""
    log.exception("%s %s failed", request.method, request.url.path, exc_info=error)
    return _answer(500, "this is a fault in Headway itself; its log has the trace")
