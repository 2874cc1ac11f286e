"""`headway up`: the server, from the command line. It stands in `main`, because it puts everything together."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from headway.base.durations import parse_size
from headway.base.errors import WrongUse
from headway.base.near import nearest
from headway.cli.output import echo, emit_json, json_option
from headway.engine.server_settings import DUTIES, ServerSettings
from headway.engine.settings import Settings

T = TypeVar("T")


@click.command()
@click.option(
    "--listen", metavar="ADDRESS", help="Where to listen: 127.0.0.1:8080, [::1]:8080, :8080 for everywhere."
)
@click.option("--data", metavar="DIR", help="The data folder; else HEADWAY_DATA, else the user's own.")
@click.option(
    "--database", metavar="URL", help="sqlite:///PATH or postgresql://…; else HEADWAY_DATABASE_URL."
)
@click.option(
    "--url", metavar="URL", help="How people reach it, behind a proxy: https://headway.example.org."
)
@click.option(
    "--duties", metavar="LIST", help=f"What this process does, of: {', '.join(DUTIES)}. All, if not said."
)
@click.option(
    "--slots", type=click.IntRange(1, 1000), help="Jobs at the same time; the number of cores, if not said."
)
@click.option(
    "--jobs-memory", metavar="SIZE", help="Memory that all jobs together may take; 75 % of it, if not said."
)
@click.option(
    "--org", metavar="FILE", help="The organisation's file; org.toml in the data folder, if not said."
)
@click.option(
    "--behind-proxy", metavar="ADDRESSES", help="Proxies whose X-Forwarded-For is believed, comma-separated."
)
@click.option(
    "--new-key",
    is_flag=True,
    help="The key of secrets is lost for good: forget the values that it opened, and go on with a new one.",
)
@click.option("--check", is_flag=True, help="Check settings, org.toml and database, and start nothing.")
@click.option("--unit", "as_unit", is_flag=True, help="Print the unit for systemd, and start nothing.")
@json_option
@click.pass_obj
def command(
    settings: Settings,
    *,
    listen: str | None,
    data: str | None,
    database: str | None,
    url: str | None,
    duties: str | None,
    slots: int | None,
    jobs_memory: str | None,
    org: str | None,
    behind_proxy: str | None,
    new_key: bool,
    check: bool,
    as_unit: bool,
    as_json: bool,
) -> int:
    """Start the server: pushes come in, pages show everything live.

    SIGTERM and Ctrl-C stop it: it begins nothing new, and running jobs go on and are picked up by the next start.
    """
    if as_unit:
        from headway.main.unit import unit

        click.echo(unit(listen=listen, data=data), nl=False)
        return 0
    settings = _settings(settings, data, database)
    options, faults = read_options(
        settings,
        listen=listen,
        url=url,
        duties=duties,
        slots=slots,
        jobs_memory=jobs_memory,
        org=org,
        behind_proxy=behind_proxy,
        new_key=new_key,
    )
    if check:
        return _check(settings, options, faults, as_json=as_json)
    _refuse(faults)
    from headway.main.serve import Listening, serve

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for noisy in ("httpx", "asyncssh", "uvicorn"):
        logging.getLogger(noisy).setLevel(logging.WARNING)

    def told(listening: Listening) -> None:
        if as_json:
            emit_json({"url": listening.url, "sign_in": listening.sign_in, "data": str(settings.data)})
            return
        echo(f"Headway is at {listening.url}  (data in {settings.data})")
        if listening.sign_in:
            echo(
                f"Nobody can sign in yet. The first administrator does so here, once:\n  {listening.sign_in}"
            )

    return serve(settings, options, told)


def _settings(settings: Settings, data: str | None, database: str | None) -> Settings:
    """As if the environment had said so."""
    from dataclasses import replace

    if data is not None:
        folder = Path(data).expanduser().absolute()
        known_url = settings.environment.get("HEADWAY_DATABASE_URL")
        settings = replace(
            settings, data=folder, database_url=known_url or f"sqlite:///{folder / 'headway.db'}"
        )
    if database is not None:
        if not database.startswith(("sqlite:///", "postgresql://", "postgres://")):
            raise WrongUse(
                f"--database is '{database.split(':')[0]}:…', which is no database Headway knows",
                hint="write sqlite:///absolute/path or postgresql://user@host/name",
            )
        settings = replace(settings, database_url=database)
    return settings


def read_options(
    settings: Settings,
    *,
    listen: str | None,
    url: str | None,
    duties: str | None,
    slots: int | None,
    jobs_memory: str | None,
    org: str | None,
    behind_proxy: str | None,
    new_key: bool = False,
) -> tuple[ServerSettings, list[WrongUse]]:
    """What was said on the command line, then what the environment says (HEADWAY_LISTEN, HEADWAY_URL, …); and what is
    wrong with any of it, by its option.
    """
    said, faults = settings.environment, list[WrongUse]()
    usual = ServerSettings()

    def read(parse: Callable[[str], T], text: str | None, otherwise: T) -> T:
        try:
            return parse(text) if text else otherwise
        except WrongUse as error:
            faults.append(error)
            return otherwise

    host, port = read(parse_address, listen or said.get("HEADWAY_LISTEN"), ("127.0.0.1", 8080))
    options = ServerSettings(
        host=host,
        port=port,
        url=read(_checked_url, url or said.get("HEADWAY_URL"), ""),
        duties=read(_duties, duties, usual.duties),
        slots=slots or _cores(),
        jobs_memory=read(_size, jobs_memory, None),
        trusted_proxies=read(_proxies, behind_proxy, ""),
        org_file=Path(org).expanduser().absolute() if org else settings.data / "org.toml",
        org_is_named=bool(org),
        new_key=new_key,
    )
    return options, faults


def _refuse(faults: list[WrongUse]) -> None:
    """Raises WrongUse, naming each option that is wrong."""
    if len(faults) > 1:
        raise WrongUse(
            "\n  ".join(["several options are wrong:", *(fault.message for fault in faults)]),
            hint="; ".join(fault.hint for fault in faults if fault.hint),
        )
    if faults:
        raise faults[0]


def parse_address(text: str) -> tuple[str, int]:
    """`HOST:PORT`, `[IPV6]:PORT`, `:PORT` or `PORT`."""
    host, colon, port = text.rpartition(":")
    if not colon and text.isdecimal():
        host, port = "127.0.0.1", text
    elif not host:
        host = "::" if colon and text.startswith("[") else "0.0.0.0"  # noqa: S104
    host = host.removeprefix("[").removesuffix("]")
    if not port.isdecimal() or int(port) > 65535:
        raise WrongUse(
            f"--listen is '{text}', which is no address", hint="write it as 127.0.0.1:8080 or :8080"
        )
    return host, int(port)


def _checked_url(text: str) -> str:
    if text and not text.startswith(("http://", "https://")):
        raise WrongUse(
            f"--url is '{text}', which is no address of a page", hint="write https://headway.example.org"
        )
    return text.rstrip("/")


def _duties(text: str) -> frozenset[str]:
    wanted = [word.strip() for word in text.split(",") if word.strip()]
    for word in wanted:
        if word not in DUTIES:
            near = nearest(word, DUTIES)
            raise WrongUse(
                f"--duties: there is no duty '{word}'",
                hint=f"did you mean {near}?" if near else f"there are: {', '.join(DUTIES)}",
            )
    return frozenset(wanted)


def _proxies(text: str) -> str:
    """Addresses and networks; a name, or a slip in one, would be believed by nobody and noticed by nobody."""
    import ipaddress

    proxies = [word.strip() for word in text.split(",") if word.strip()]
    for proxy in proxies:
        try:
            ipaddress.ip_network(proxy)
        except ValueError as error:
            raise WrongUse(
                f"--behind-proxy: '{proxy}' is no address of a proxy, nor a network",
                hint="write 127.0.0.1, or 10.1.0.0/24, with commas between several",
            ) from error
    return ",".join(proxies)


def _size(text: str) -> int | None:
    try:
        return parse_size(text)
    except ValueError as error:
        raise WrongUse(f"--jobs-memory: {error}", hint="such as 8GiB") from error


def _cores() -> int:
    import os

    return max(1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def _check(settings: Settings, options: ServerSettings, faults: list[WrongUse], *, as_json: bool) -> int:
    """Everything that a start would find out, without a start."""
    from headway.base.errors import HeadwayError
    from headway.engine.server.check import check_server

    findings = [("the options", fault) for fault in faults] + check_server(settings, options)
    if as_json:
        emit_json(
            {
                "findings": [
                    {"what": what, "ok": error is None, "error": _told(error)} for what, error in findings
                ]
            }
        )
    else:
        for what, error in findings:
            echo(
                f"{'ok    ' if error is None else 'fault '} {what}" + (f": {error.message}" if error else "")
            )
            if error is not None and error.hint:
                echo(f"         next: {error.hint}")
    errors: list[HeadwayError] = [error for _, error in findings if error is not None]
    return max((error.exit_code for error in errors), default=0)


def _told(error: Any) -> dict[str, Any] | None:
    return None if error is None else {"message": error.message, "hint": error.hint}
