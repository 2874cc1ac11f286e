"""The pages as one ASGI app. Each module below serves one noun and lists its handlers as `ROUTES`."""

from typing import TYPE_CHECKING, Any

from litestar import Litestar
from litestar.datastructures import State
from litestar.types import ASGIApp

from headway.engine.views.delivery import DeliveryReports
from headway.web import (
    delivery,
    deployments,
    live,
    logs,
    overview,
    releases,
    requests,
    run_actions,
    runs,
    services,
    settings,
    settings_people,
    settings_secrets,
    sign_in,
    world,
)
from headway.web.errors import HANDLERS
from headway.web.rendering import make_environment
from headway.web.security import LARGEST_FORM, check_form, with_security_headers
from headway.web.static_files import static_file

if TYPE_CHECKING:
    from headway.engine.server.server import Server

_MODULES = (
    world,
    sign_in,
    services,
    deployments,
    requests,
    releases,
    overview,
    delivery,
    settings,
    settings_people,
    settings_secrets,
    runs,
    run_actions,
    logs,
    live,
)


def create_web(server: "Server") -> ASGIApp:
    """Every page of this server, with its security headers, behind sessions and checked forms."""
    handlers: list[Any] = [static_file]
    for module in _MODULES:
        handlers += module.ROUTES
    app = Litestar(
        route_handlers=handlers,
        before_request=check_form,
        request_max_body_size=LARGEST_FORM,
        exception_handlers=HANDLERS,
        state=State(
            {
                "server": server,
                "templates": make_environment(),
                "form_key": server.vault.derive("csrf"),
                "delivery": DeliveryReports(server.database, server.tools.git),
            }
        ),
        openapi_config=None,
        logging_config=None,
        debug=False,
    )
    return with_security_headers(app, https=server.base_url.startswith("https:"))
