"""`headway metrics`: the five delivery metrics, with what they rest on."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headway.base.durations import format_duration, parse_duration
from headway.cli.output import echo, emit_json, json_option, print_table
from headway.cli.server_choice import local_option, server_for
from headway.cli.terminal import clean
from headway.engine.metrics.words import (
    TITLES,
    basis_words,
    detail_words,
    headline,
    interval_words,
    raw_words,
)
from headway.engine.settings import Settings

if TYPE_CHECKING:
    from headway.client.http import HeadwayClient
    from headway.dora.metric import Evidence, Metric
    from headway.dora.metrics import Report

# The keys in JSON have `_` in place of `-`.
_BARS = "▁▂▃▄▅▆▇█"


class Since(click.ParamType[timedelta]):
    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        try:
            since = parse_duration(str(value))
        except (ValueError, OverflowError) as error:
            self.fail(str(error), param, ctx)
        if since <= timedelta():
            self.fail("it must be longer than nothing", param, ctx)
        return since


@click.command()
@click.option("--since", type=Since(), default="90d", show_default=True, help="How far to look back.")
@click.option("--service", metavar="NAME", help="Another service than this folder's; 'all' for every one.")
@click.option("--environment", metavar="NAME", help="One environment; all that are production if not said.")
@click.option(
    "--explain",
    type=click.Choice(list(TITLES)),
    help="List every deployment and commit behind one metric, and the rule that put it there.",
)
@local_option
@json_option
@click.pass_obj
def command(
    settings: Settings,
    *,
    since: timedelta,
    service: str | None,
    environment: str | None,
    explain: str | None,
    local: bool,
    as_json: bool,
) -> int:
    """The five delivery metrics, each with its 95 % interval and what it rests on.

    Medians count what still waits or lasts as longer than so far. With too little data the values themselves are
    shown. Definitions: docs/metrics.md.
    """
    name = None if service == "all" else service or _service_here()
    if (server := server_for(settings, local=local)) is not None:
        report = _from_server(server, since, name, environment, explain)
    else:
        report = _from_here(settings, since, name, environment)
    if as_json:
        from headway.engine.views.documents import delivery_document

        emit_json(delivery_document(report, name, environment, explain))
    elif explain:
        _print_evidence(report, explain)
    else:
        _print_report(report, name, environment, since)
    return 0


def _from_here(
    settings: Settings, since: timedelta, service: str | None, environment: str | None
) -> "Report":
    from headway.base.clock import SystemClock
    from headway.drivers.git import Git
    from headway.engine.keeping.upgrade import copy_first
    from headway.engine.metrics.reports import delivery_report
    from headway.store.database import open_database

    with open_database(settings.database_url, before=copy_first(settings), create=False) as database:
        return delivery_report(
            database,
            Git(settings.environment, settings.mirrors),
            service=service,
            environment=environment,
            since=since,
            now=SystemClock().now(),
        )


def _from_server(
    server: "HeadwayClient",
    since: timedelta,
    service: str | None,
    environment: str | None,
    explain: str | None,
) -> "Report":
    from headway.client.decode import report_of

    seconds = f"{max(1, round(since.total_seconds()))}s"
    asked = {"service": service, "environment": environment, "explain": explain}
    return report_of(server.get("/api/delivery", since=seconds, **asked))


def _service_here() -> str | None:
    """The service of the folder one stands in; None outside of any project, and then all are meant."""
    from headway.engine.projects import NoContract, NoRepository, service_name

    try:
        return service_name(Path.cwd())
    except (NoRepository, NoContract):
        return None


# As text


def _print_report(report: "Report", service: str | None, environment: str | None, since: timedelta) -> None:
    place = f"to {environment}" if environment else "to production"
    echo(click.style(f"{service or 'all services'}, {place}, last {format_duration(since)}", bold=True))
    for metric in report.metrics:
        echo()
        title = TITLES[metric.name]
        echo(f"{title:<33}{click.style(_headline(metric), bold=metric.value is not None)}")
        for line in _lines(metric, report):
            echo(f"  {line}")
    echo()
    echo("In brackets: 95 % intervals. What is behind a number: headway metrics --explain fail-rate")


def _headline(metric: "Metric") -> str:
    interval = interval_words(metric, format_duration)
    return headline(metric, format_duration) + (f"  {interval}" if interval else "")


def _lines(metric: "Metric", report: "Report") -> list[str]:
    lines = [basis_words(metric)]
    if metric.name == "frequency" and len(report.weeks) > 1:
        lines.append(f"{_spark([count for count, _ in report.weeks[-26:]])}  by week, this one last")
    further = (detail_words(metric, format_duration), metric.reason, raw_words(metric, format_duration))
    return [*lines, *(line for line in further if line)]


def _spark(counts: list[int]) -> str:
    most = max(counts) or 1
    return "".join(_BARS[round(count / most * (len(_BARS) - 1))] for count in counts)


def _print_evidence(report: "Report", name: str) -> None:
    metric = _metric(report, name)
    echo(click.style(f"{TITLES[name]}: {_headline(metric)}", bold=True))
    for line in _lines(metric, report):
        echo(line)
    echo()
    if not metric.evidence:
        echo("nothing in this time")
        return
    print_table(
        ("when (UTC)", "where", "deployment", "commit", "time", "counted", "rule"),
        [_evidence_cells(row) for row in metric.evidence],
    )


def _evidence_cells(row: "Evidence") -> tuple[str, ...]:
    return (
        row.at.strftime("%Y-%m-%d %H:%M"),
        f"{row.service} {row.environment}".strip(),
        "" if row.deployment is None else str(row.deployment),
        (row.commit or "")[:10],
        "" if row.value is None else format_duration(timedelta(seconds=row.value)),
        row.counted,
        # A rule may quote git, and git a path.
        clean(row.rule.encode(errors="replace"), colour=False).decode(),
    )


def _metric(report: "Report", name: str) -> "Metric":
    return next(metric for metric in report.metrics if metric.name == name)
