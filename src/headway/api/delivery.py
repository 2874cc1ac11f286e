"""The five delivery metrics."""

import asyncio
from datetime import timedelta
from typing import Annotated, Literal

from litestar.params import QueryParameter

from headway.api.access import ApiRequest, looker
from headway.api.routes import Wanted, reads
from headway.base.durations import parse_duration
from headway.base.errors import WrongUse
from headway.engine.metrics.reports import delivery_report
from headway.engine.views.documents import delivery_document
from headway.wire.shapes_metrics import DeliveryDocument

#: One at a time: a report of all services is a second of a processor's work.
_TURN = asyncio.Semaphore(1)


@reads(
    "/api/delivery",
    id="getDelivery",
    does="The five delivery metrics, with what they rest on.",
    of="delivery",
)
async def delivery(
    request: ApiRequest,
    service: Wanted = None,
    environment: Wanted = None,
    since: Annotated[
        str, QueryParameter(max_length=20, description="How far to look back: 90d, 12h.")
    ] = "90d",
    explain: Annotated[
        Literal["lead-time", "frequency", "fail-rate", "recovery-time", "rework-rate"] | None,
        QueryParameter(),
    ] = None,
) -> DeliveryDocument:
    """Of one service or of all; of one environment or of all that are production."""
    server = await looker(request)
    age = _age(since)
    async with _TURN:
        report = await asyncio.to_thread(
            delivery_report,
            server.database,
            server.tools.git,
            service=service,
            environment=environment,
            since=age,
            now=server.now(),
        )
    return delivery_document(report, service, environment, explain)


def _age(text: str) -> timedelta:
    try:
        found = parse_duration(text)
    except (ValueError, OverflowError) as error:
        raise WrongUse(f"since: {error}", hint="write 90d or 12h") from error
    if found <= timedelta():
        raise WrongUse("since: it must be longer than nothing", hint="write 90d or 12h")
    return found


ROUTES = (delivery,)
