"""Which hosts a selector means: `group:NAME`, `label:NAME=VALUE` or a host's name."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from headway.base.errors import WrongUse
from headway.base.near import nearest
from headway.domain.contract import DeploySpec, EnvironmentSpec, HostSpec


class Places(Protocol):
    """What selectors choose from; a Contract is one."""

    @property
    def hosts(self) -> Mapping[str, HostSpec]: ...

    @property
    def groups(self) -> Mapping[str, tuple[str, ...]]: ...


class NoSuchHosts(WrongUse):
    """A selector that means nothing in this headway.toml."""


class HostsOfOthers(NoSuchHosts):
    """A selector that names a host which the service may not reach."""


def select_hosts(places: Places, selectors: Sequence[str]) -> tuple[HostSpec, ...]:
    """The hosts that any of the selectors means: each once, in the selectors' order, in a group in the group's.

    A label means the hosts that may be reached. Raises NoSuchHosts for the first selector that means no host, with
    the near word where there is one, HostsOfOthers for one that names another team's.
    """
    found: dict[str, HostSpec] = {}
    for selector in selectors:
        for name in _names(places, selector.strip()):
            host = places.hosts.get(name)
            if host is None:
                raise _unknown("host", name, places.hosts)
            if host.closed:
                raise host_of_others(host)
            found.setdefault(name, host)
    return tuple(found.values())


def processes_by_host(
    places: Places, deploy: DeploySpec, environment: EnvironmentSpec
) -> list[tuple[HostSpec, tuple[str, ...]]]:
    """Each host with the processes that run there: the environment's hosts first, then those of other processes."""
    found: dict[str, tuple[HostSpec, list[str]]] = {}
    for process in deploy.processes:
        selectors: Sequence[str] = (
            environment.processes.get(process.name) or process.hosts or environment.hosts
        )
        for spec in select_hosts(places, selectors):
            found.setdefault(spec.name, (spec, []))[1].append(process.name)
    if not found:
        raise WrongUse(
            f"{environment.name} has no hosts", hint=f"name them in [environments.{environment.name}]"
        )
    return [(spec, tuple(names)) for spec, names in found.values()]


def _names(places: Places, selector: str) -> Iterable[str]:
    kind, colon, rest = selector.partition(":")
    if not colon:
        if selector not in places.hosts and selector in places.groups:
            raise NoSuchHosts(f"'{selector}' is a group, not a host", hint=f"write group:{selector}")
        return (selector,)
    if kind == "group":
        if rest not in places.groups:
            raise _unknown("group", rest, places.groups, prefix="group:")
        return places.groups[rest]
    if kind == "label":
        return _with_label(places, rest)
    near = _near(kind, ("group", "label"))
    raise NoSuchHosts(
        f"'{selector}' selects no hosts: '{kind}:' is not known",
        hint=f"did you mean {near}:{rest}?" if near else "write NAME, group:NAME or label:NAME=VALUE",
    )


def _with_label(places: Places, text: str) -> Iterable[str]:
    label, equals, value = text.partition("=")
    if not equals:
        raise NoSuchHosts(f"'label:{text}' has no value", hint=f"write label:{text}=VALUE")
    labelled = [host for host in places.hosts.values() if host.labels.get(label) == value]
    if labelled:
        # Of nothing but others' hosts the first one says why.
        return [host.name for host in labelled if not host.closed] or [labelled[0].name]
    values = sorted({host.labels[label] for host in places.hosts.values() if label in host.labels})
    if values:
        near = _near(value, values)
        raise NoSuchHosts(
            f"no host has the label {label}={value}",
            hint=f"did you mean label:{label}={near}?" if near else f"{label} is one of {', '.join(values)}",
        )
    labels = {label: None for host in places.hosts.values() for label in host.labels}
    raise _unknown("label", label, labels, prefix="label:")


def host_of_others(host: HostSpec) -> HostsOfOthers:
    """Says why it is closed."""
    return HostsOfOthers(
        f"{host.name} {host.closed}",
        hint="an administrator says in org.toml whose a host is, and with headway repository give whose a service is",
    )


def _unknown(kind: str, name: str, known: Mapping[str, object], prefix: str = "") -> NoSuchHosts:
    near = _near(name, known)
    if near:
        hint = f"did you mean {prefix}{near}?"
    elif known:
        hint = f"there are: {', '.join(known)}"
    else:
        hint = (
            f"write [{kind}s] into headway.toml" if kind != "label" else "give hosts labels in headway.toml"
        )
    return NoSuchHosts(f"there is no {kind} '{name}' in headway.toml", hint=hint)


def _near(word: str, words: Iterable[str]) -> str | None:
    return nearest(word, words)
