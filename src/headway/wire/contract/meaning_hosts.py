"""Faults of meaning in `[hosts]`, `[groups]` and whatever selects hosts."""

from collections.abc import Iterator

from headway.domain.selection import Places
from headway.wire.strict.faults import Path, Problem, show, unknown
from headway.wire.strict.raw import Table, table, tables, text, texts, twice

GROUP, LABEL = "group:", "label:"


def same_name_problems(document: Table, elsewhere: Places) -> Iterator[Problem]:
    """Hosts and groups that the server's org.toml has as well: which is meant could not be told."""
    for key, taken in (("hosts", elsewhere.hosts), ("groups", elsewhere.groups)):
        for name in table(document, key):
            if name in taken:
                message = (
                    f"{show(name)} stands in the server's org.toml as well; take it out here, or rename it"
                )
                yield Problem(
                    (key, name), message, show(name), "a name that org.toml does not have", at_key=True
                )


def with_hosts_of(document: Table, elsewhere: Places) -> Table:
    """The document as if the server's hosts and groups stood in it."""
    hosts = {name: {"labels": dict(host.labels)} for name, host in elsewhere.hosts.items()}
    groups = {name: list(members) for name, members in elsewhere.groups.items()}
    return {
        **document,
        "hosts": {**hosts, **table(document, "hosts")},
        "groups": {**groups, **table(document, "groups")},
    }


def host_problems(document: Table) -> Iterator[Problem]:
    hosts = table(document, "hosts")
    for group, members in table(document, "groups").items():
        path = ("groups", group)
        yield from twice(members, path)
        for place, member in texts(members, path) if isinstance(members, list) else ():
            if member not in hosts:
                yield unknown(place, member, "no host", hosts, none=_declare(member))
    for environment, held in tables(document, "environments").items():
        place = ("environments", environment)
        yield from selector_problems(document, held.get("hosts"), (*place, "hosts"))
        yield from _processes(document, held, place)
    for process, held in tables(document, "processes").items():
        yield from selector_problems(document, held.get("hosts"), ("processes", process, "hosts"))


def _processes(document: Table, environment: Table, path: Path) -> Iterator[Problem]:
    """The processes that an environment gives other hosts must exist, and their hosts too."""
    names = table(document, "processes")
    for process, selectors in table(environment, "processes").items():
        place = (*path, "processes", process)
        if process not in names:
            none = "there is no [processes] table"
            yield unknown(place, process, "no process", names, none=none, at_key=True)
        yield from selector_problems(document, selectors, place)


def selector_problems(document: Table, value: object, path: Path) -> Iterator[Problem]:
    """Unknown groups and hosts in a text or list of selectors."""
    hosts, groups = table(document, "hosts"), table(document, "groups")
    yield from twice(value, path)
    if "hosts" not in document and "groups" not in document:
        # A file without a host leaves them to the org.toml of a server, which is not known here.
        return
    for place, selector in texts(value, path):
        if selector.startswith(LABEL):
            yield from _labelled(document, place, selector)
            continue
        group = selector.removeprefix(GROUP)
        if group != selector and group not in groups:
            none = f'there is no group; write [groups] and {group} = ["…"]'
            yield unknown(place, group, "no group", groups, none=none)
        elif group == selector and selector in groups and selector not in hosts:
            message = f"{show(selector)} is a group; did you mean '{GROUP}{selector}'?"
            yield Problem(place, message, show(selector), "", f"{GROUP}{selector}")
        elif group == selector and selector not in hosts:
            yield unknown(place, selector, "no host", hosts, none=_declare(selector))


def _labelled(document: Table, place: Path, selector: str) -> Iterator[Problem]:
    label, equals, _ = selector.removeprefix(LABEL).partition("=")
    if not equals or not label:
        message = f"{show(selector)} has no value; allowed is {LABEL}NAME=VALUE"
        yield Problem(place, message, show(selector), f"{LABEL}NAME=VALUE")
    elif not selected_hosts(document, selector):
        known = {
            f"{LABEL}{name}={held}"
            for host in tables(document, "hosts").values()
            for name, held in _labels(host)
        }
        yield unknown(place, selector, "no host's label", sorted(known), none="no host has a label")


def _labels(host: Table) -> list[tuple[str, str]]:
    return [(name, value) for name, value in table(host, "labels").items() if isinstance(value, str)]


def _declare(host: str) -> str:
    return f"there is no host; write [hosts.{host}] with its address"


def selected_hosts(document: Table, value: object) -> list[str]:
    """The declared hosts that selectors stand for, each once."""
    hosts, groups = table(document, "hosts"), table(document, "groups")
    found: dict[str, None] = {}
    for _, selector in texts(value, ()):
        group = selector.removeprefix(GROUP)
        if selector.startswith(LABEL):
            label = tuple(selector.removeprefix(LABEL).split("=", 1))
            members = [host for host, held in tables(document, "hosts").items() if label in _labels(held)]
        elif group != selector:
            members = [member for _, member in texts(groups.get(group), ())]
        else:
            members = [selector]
        found.update((member, None) for member in members if member in hosts)
    return list(found)


def hosts_of(document: Table, environment: Table, process: str) -> list[str]:
    """The hosts on which a process runs in an environment; `main` runs on the environment's own."""
    override = table(environment, "processes").get(process)
    own = table(table(document, "processes"), process).get("hosts")
    return selected_hosts(document, override or own or environment.get("hosts"))


def label_of(document: Table, host: str, label: str) -> str | None:
    return text(table(table(table(document, "hosts"), host), "labels"), label)
