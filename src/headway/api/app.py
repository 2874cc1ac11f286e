"""The API as one application: routes by noun, errors as problem documents, OpenAPI at /api/openapi.json."""

import logging
from typing import Any

import msgspec
from litestar import Litestar, Request, Response
from litestar.datastructures import State
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme

from headway import __version__
from headway.api import repositories, runs, system, tokens
from headway.api.access import NobodyKnown
from headway.api.asgi import Application
from headway.api.problems import MEDIA_TYPE, problem, status_of
from headway.base.errors import HeadwayError
from headway.engine.server import Server

log = logging.getLogger("headway.api")

_MODULES = (system, repositories, runs, tokens)


def create_api(server: Server) -> Application:
    """Everything below /api, and what watches the server."""
    handlers: list[Any] = []
    for module in _MODULES:
        handlers += module.ROUTES
    return Litestar(  # type: ignore[return-value]
        route_handlers=handlers,
        exception_handlers={
            HeadwayError: _ours,
            NobodyKnown: _unknown,
            ValidationException: _invalid,
            HTTPException: _http,
            msgspec.ValidationError: _invalid_shape,
            Exception: _unexpected,
        },
        state=State({"server": server}),
        openapi_config=OpenAPIConfig(
            title="Headway",
            version=__version__,
            description="Everything the pages do. Errors are problem documents (RFC 9457).",
            path="/api",
            components=Components(
                security_schemes={
                    "token": SecurityScheme(type="http", scheme="bearer", description="A token: hw_…")
                }
            ),
            security=[{"token": []}],
            render_plugins=[],
        ),
        logging_config=None,
        debug=False,
        request_max_body_size=32 * 2**20,
    )


def _answer(
    status: int, detail: str, *, hint: str | None = None, headers: Any = None, **more: Any
) -> Response[Any]:
    content = problem(status, detail, hint=hint, more={name: value for name, value in more.items() if value})
    return Response(content, status_code=status, media_type=MEDIA_TYPE, headers=headers)


def _ours(_: Request[Any, Any, Any], error: HeadwayError) -> Response[Any]:
    status = status_of(error)
    scope = getattr(error, "scope", None)
    faults = getattr(error, "faults", None)
    shown = [str(fault) for fault in faults] if faults else None
    return _answer(status, error.message, hint=error.hint, scope=scope, faults=shown)


def _unknown(_: Request[Any, Any, Any], error: NobodyKnown) -> Response[Any]:
    return _answer(401, error.detail, headers={"WWW-Authenticate": "Bearer"})


def _invalid(_: Request[Any, Any, Any], error: ValidationException) -> Response[Any]:
    return _answer(400, error.detail, faults=error.extra)


def _invalid_shape(_: Request[Any, Any, Any], error: msgspec.ValidationError) -> Response[Any]:
    return _answer(400, str(error))


def _http(_: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    return _answer(error.status_code, error.detail, headers=error.headers)


def _unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """A fault of ours: the trace goes to the log, and nothing of it to the caller."""
    log.exception("%s %s failed", request.method, request.url.path, exc_info=error)
    return _answer(500, "this is a fault in Headway itself; its log has the trace")
