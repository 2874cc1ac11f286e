"""Hosts: those of org.toml and those that anything was deployed to, and what each runs."""

from datetime import datetime
from typing import TypedDict

from headway.api.access import ApiRequest, looker
from headway.api.routes import Name, Wanted, reads
from headway.base.errors import WrongUse
from headway.engine.views.hosts import HostLine, read_host, read_hosts


class UnknownHost(WrongUse):
    http_status = 404


class RunsThere(TypedDict):
    service: str
    environment: str
    deployment: int
    #: Empty: nothing stands there.
    release: str
    #: The host's state within a deployment where one goes on or went wrong; else live, left_out, unclear, left_over (no
    #: longer of the environment), or empty: nothing stands there.
    state: str
    reason: str
    at: datetime
    #: When the host last said itself what it has; null: not since this is kept.
    asked_at: datetime | None


class HostDocument(TypedDict):
    name: str
    #: None where only a repository's headway.toml names it.
    address: str | None
    labels: dict[str, str]
    groups: list[str]
    runs: list[RunsThere]
    #: How many services and environments it has, and how many of them are in trouble.
    count: int
    troubled: int


class HostPage(TypedDict):
    items: list[HostDocument]
    next: str | None


@reads("/api/hosts", id="listHosts", does="Hosts; those in trouble first.", of="hosts")
async def list_hosts(request: ApiRequest, search: Wanted = None) -> HostPage:
    server = await looker(request)
    org = server.org.current
    found = await server.database.fetch(lambda tx: read_hosts(tx, org, search=search or ""))
    return {"items": [_host(line) for line in found.lines], "next": None}


@reads("/api/hosts/{name:str}", id="getHost", does="One host, and all that it runs.", of="hosts")
async def get_host(request: ApiRequest, name: Name) -> HostDocument:
    server = await looker(request)
    org = server.org.current
    found = await server.database.fetch(lambda tx: read_host(tx, org, name))
    if found is None:
        raise UnknownHost(f"nobody names a host '{name[:100]}', and nothing was deployed to one")
    return _host(found)


def _host(line: HostLine) -> HostDocument:
    return {
        "name": line.name,
        "address": line.spec.address if line.spec else None,
        "labels": dict(line.spec.labels) if line.spec else {},
        "groups": list(line.groups),
        "runs": [
            {
                "service": one.service,
                "environment": one.environment,
                "deployment": one.number,
                "release": one.release,
                "state": one.state,
                "reason": one.reason,
                "at": one.at,
                "asked_at": one.asked_at,
            }
            for one in line.runs
        ],
        "count": line.count,
        "troubled": line.troubled,
    }


ROUTES = (list_hosts, get_host)
