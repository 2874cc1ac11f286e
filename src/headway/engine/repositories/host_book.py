"""Hosts, groups and names of secrets of a headway.toml, without the check of all the rest.

`exec` needs no more, must be quick (the full reader costs 0.2 s), and must not be stopped in an emergency by a
fault in a job. Whatever is not plainly right here goes to the full reader, which knows how to say it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headway.domain.contract import Contract, HostSpec
from headway.engine.projects import find_contract_file, read_contract_text, shown
from headway.wire.strict.syntax import load_toml

_HOST_KEYS = {"address", "port", "user", "labels"}


@dataclass(frozen=True, slots=True)
class HostBook:
    service: str
    hosts: Mapping[str, HostSpec]
    groups: Mapping[str, tuple[str, ...]]
    #: Environment (None: a job's) and name of each secret.
    secrets: tuple[tuple[str | None, str], ...]
    team: str | None = None


def read_host_book(start: Path) -> HostBook:
    """The book of the project that `start` lies in. Raises what `find_project` raises."""
    root, file = find_contract_file(start)
    text = read_contract_text(file, shown(file, root))
    try:
        return _plain(load_toml(text))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        from headway.wire.contract import read_contract

        return book_of(read_contract(text, shown(file, root)))


def book_of(contract: Contract) -> HostBook:
    environments = contract.environments.items()
    secrets: list[tuple[str | None, str]] = [
        (name, secret) for name, environment in environments for secret in environment.secrets
    ]
    secrets += [(None, secret) for job in contract.jobs.values() for secret in job.secrets]
    service = contract.service
    return HostBook(service.name, contract.hosts, contract.groups, tuple(secrets), service.team)


def _plain(document: Mapping[str, Any]) -> HostBook:
    """Raises one of the errors above for anything that is not as it should be."""
    hosts = {name: _host(name, table) for name, table in document.get("hosts", {}).items()}
    groups = {
        name: tuple(_text(member) for member in _list(members))
        for name, members in document.get("groups", {}).items()
    }
    secrets: list[tuple[str | None, str]] = []
    for name, environment in document.get("environments", {}).items():
        secrets += [(name, _text(secret)) for secret in _list(environment.get("secrets", []))]
    for job in document.get("jobs", {}).values():
        secrets += [(None, _text(secret)) for secret in _list(job.get("secrets", []))]
    service, team = document["service"], document["service"].get("team")
    return HostBook(
        _text(service["name"]), hosts, groups, tuple(secrets), None if team is None else _text(team)
    )


def _host(name: str, table: Mapping[str, Any]) -> HostSpec:
    if not table.keys() <= _HOST_KEYS:
        raise ValueError
    port = table.get("port")
    if port is not None and (type(port) is not int or not 0 < port < 65536):
        raise ValueError
    user = table.get("user")
    return HostSpec(
        name=name,
        address=_text(table.get("address", name)),
        port=port,
        user=None if user is None else _text(user),
        labels={label: _text(value) for label, value in table.get("labels", {}).items()},
    )


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError
    return value


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise TypeError
    return value
