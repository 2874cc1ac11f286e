"""Faults of meaning in `[deploy]`, `[processes]` and `[environments]`."""

from collections.abc import Iterator
from typing import Any

from headway.domain.placeholders import PLACEHOLDERS, PLACES, find_placeholders
from headway.wire.contract.globs import any_takes_in
from headway.wire.contract.meaning_hosts import hosts_of, label_of
from headway.wire.contract.meaning_jobs import condition_problems, secret_problems
from headway.wire.strict.faults import Path, Problem, listing, show, unknown
from headway.wire.strict.raw import Table, cycles, table, tables, text, texts, twice

MAIN = "main"
#: Keys of [deploy] that mean something for one kind only.
_ONLY_FOR = {"run": "script", "rollback": "script"}
_COMMANDS = ("activate", "deactivate", "undrain", "logs")
_DEPLOY_COMMANDS = ("prepare", "run", "rollback")
_HEALTH = ("http", "tcp", "command")
_EXPECT = ("status", "body", "header")


def delivery_problems(document: Table) -> Iterator[Problem]:
    yield from _sections(document)
    yield from _kind(document)
    yield from _artifact(document)
    yield from twice(table(document, "deploy").get("shared"), ("deploy", "shared"))
    for path, held in _handled(document):
        yield from _health(path, held)
        yield from _placeholders(document, path, held)
    yield from _environments(document)
    yield from _same_folder(document)


def _sections(document: Table) -> Iterator[Problem]:
    environments, processes = table(document, "environments"), table(document, "processes")
    if "deploy" not in document and environments:
        names = listing(list(environments))
        message = f"is missing, and there is somewhere to deploy to ({names}); write [deploy] with its kind"
        yield Problem(("deploy",), message, allowed="a [deploy] table")
    elif "deploy" not in document and processes:
        message = "is missing, and there are processes; write [deploy] with its kind"
        yield Problem(("deploy",), message, allowed="a [deploy] table")
    if MAIN in processes:
        message = "'main' is the process of [deploy] itself; take another name"
        yield Problem(("processes", MAIN), message, "'main'", at_key=True)


def _kind(document: Table) -> Iterator[Problem]:
    """What a kind must have, and what only the other kind has."""
    deploy = table(document, "deploy")
    kind = text(deploy, "kind")
    needed = {"files": "artifact", "script": "run"}.get(kind or "")
    if needed is None:
        return
    if needed not in deploy:
        yield Problem(("deploy", needed), f"is missing; kind '{kind}' needs it", allowed="text in quotes")
    for key, owner in _ONLY_FOR.items():
        if key in deploy and owner != kind:
            message = f"belongs to kind '{owner}', and the kind here is '{kind}'"
            yield Problem(("deploy", key), message, show(deploy[key]), at_key=True)


def _artifact(document: Table) -> Iterator[Problem]:
    """The artifact must come from a job, unless there are none: then another system builds the releases."""
    artifact = text(table(document, "deploy"), "artifact")
    jobs = tables(document, "jobs")
    if artifact is None or not jobs:
        return
    globs = [glob for job in jobs.values() for _, glob in texts(job.get("artifacts"), ())]
    if not any_takes_in(globs, artifact):
        yield unknown(
            ("deploy", "artifact"),
            artifact,
            "no job's artifact",
            globs,
            none=f'write artifacts = ["{artifact}"] in the job that makes it',
        )


def _handled(document: Table) -> Iterator[tuple[Path, Table]]:
    """[deploy] and each of [processes]: the tables that say how a process is handled."""
    if table(document, "deploy"):
        yield ("deploy",), table(document, "deploy")
    for name, held in tables(document, "processes").items():
        yield ("processes", name), held


def _checks(path: Path, held: Table) -> Iterator[tuple[Path, Table]]:
    health = held.get("health")
    if isinstance(health, dict):
        yield (*path, "health"), health
    elif isinstance(health, list):
        for number, check in enumerate(health):
            if isinstance(check, dict):
                yield (*path, "health", number), check


def _health(path: Path, held: Table) -> Iterator[Problem]:
    for place, check in _checks(path, held):
        given = [kind for kind in _HEALTH if kind in check]
        if len(given) != 1:
            found = " and ".join(given) or "none of them"
            message = f"found {found}; allowed is exactly one of {listing(_HEALTH)}"
            yield Problem(place, message, found, f"one of {listing(_HEALTH)}")
        http, tcp = text(check, "http"), text(check, "tcp")
        if http is not None and not http.startswith(("http://", "https://")):
            message = f"{show(http)} is no address; allowed is one that begins with http:// or https://"
            yield Problem((*place, "http"), message, show(http), "http://… or https://…")
        if "expect" in check and "http" not in check:
            message = "belongs to http; a tcp or command check has no answer that could hold it"
            yield Problem((*place, "expect"), message, show(check["expect"]), at_key=True)
        elif "expect" in check and not table(check, "expect"):
            message = f"expects nothing; allowed are {listing(_EXPECT)}"
            yield Problem((*place, "expect"), message, "{}", f"at least one of {listing(_EXPECT)}")
        if tcp is not None and not _is_tcp(tcp):
            message = f"{show(tcp)} is no address and port; allowed is such as 'localhost:5432'"
            yield Problem((*place, "tcp"), message, show(tcp), "address:port")


def _is_tcp(target: str) -> bool:
    address, colon, port = target.rpartition(":")
    if not (address and colon):
        return False
    return port.endswith("}") or (port.isascii() and port.isdigit() and 1 <= int(port[:6]) <= 65535)


def _commands(path: Path, held: Table) -> Iterator[tuple[Path, str]]:
    """Every text in which placeholders are replaced."""
    keys = _COMMANDS + (_DEPLOY_COMMANDS if path == ("deploy",) else ())
    for key in keys:
        yield from texts(text(held, key), (*path, key))
    for key, inner in (("drain", ("run", "until")), ("once", ("run",))):
        yield from texts(text(held, key), (*path, key))
        for name in inner:
            yield from texts(text(held.get(key), name), (*path, key, name))
    for place, check in _checks(path, held):
        for kind in _HEALTH:
            yield from texts(text(check, kind), (*place, kind))
        expect = table(check, "expect")
        yield from texts(text(expect, "body"), (*place, "expect", "body"))
        for name in table(expect, "header"):
            yield from texts(text(table(expect, "header"), name), (*place, "expect", "header", name))


def _placeholders(document: Table, path: Path, held: Table) -> Iterator[Problem]:
    process = MAIN if path == ("deploy",) else str(path[-1])
    for place, command in _commands(path, held):
        for name in find_placeholders(command):
            if name.startswith("labels."):
                yield from _label(document, place, name.removeprefix("labels."), process)
            elif name not in PLACEHOLDERS:
                yield _unknown_placeholder(place, name, (*PLACEHOLDERS, "labels.NAME"))
    if path == ("deploy",):
        yield from _root((*path, "root"), text(held, "root"))


def _unknown_placeholder(place: Path, name: str, allowed: tuple[str, ...]) -> Problem:
    """Braces that are the shell's own are told apart by a space."""
    problem = unknown(place, f"{{{name}}}", "no placeholder", [f"{{{word}}}" for word in allowed])
    if problem.near is not None:
        return problem
    message = f"{problem.message}; braces of another program take a space, as in '{{ {name} }}'"
    return Problem(place, message, problem.found, problem.allowed, problem.near)


def _root(place: Path, root: str | None) -> Iterator[Problem]:
    for name in find_placeholders(root or ""):
        if name not in PLACES:
            yield unknown(place, f"{{{name}}}", "no placeholder here", [f"{{{word}}}" for word in PLACES])


def _label(document: Table, place: Path, label: str, process: str) -> Iterator[Problem]:
    """Each host on which the command will run must have the label."""
    for name, environment in tables(document, "environments").items():
        for host in hosts_of(document, environment, process):
            if label_of(document, host, label) is None:
                message = f"the host '{host}' of {name} has no label '{label}'; write it under [hosts.{host}]"
                yield Problem(place, message, f"'{{labels.{label}}}'", "a label that each host has")


def _environments(document: Table) -> Iterator[Problem]:
    environments = tables(document, "environments")
    names = list(table(document, "environments"))
    for name, held in environments.items():
        path = ("environments", name)
        after = text(held, "after")
        if after is not None and after not in names:
            others = [other for other in names if other != name]
            yield unknown((*path, "after"), after, "no environment", others, none="there is no other one")
        yield from condition_problems((*path, "when"), text(held, "when"))
        yield from secret_problems(path, held)
        yield from _approval((*path, "approval"), table(held, "approval"))
        yield from _root((*path, "root"), text(held, "root"))
    arrows = {name: [text(held, "after") or ""] for name, held in environments.items()}
    for cycle in cycles(arrows):
        place = ("environments", cycle[-2], "after")
        message = f"the environments wait for one another: {' → '.join(cycle)}"
        yield Problem(place, message, " → ".join(cycle), "an order without a cycle")


def _approval(path: Path, held: Table) -> Iterator[Problem]:
    """More people than are named can never agree."""
    approvers = [name for _, name in texts(held.get("from"), ())]
    yield from twice(held.get("from"), (*path, "from"))
    count = held.get("count")
    only_people = approvers and not any(":" in name for name in approvers)
    if only_people and isinstance(count, int) and count > len(approvers):
        named = f"{len(approvers)} {'person is' if len(approvers) == 1 else 'people are'} named in from"
        allowed = f"a number from 1 to {len(approvers)}"
        message = f"found the number {count}, and {named}; allowed is {allowed}"
        yield Problem((*path, "count"), message, str(count), allowed)


def _same_folder(document: Table) -> Iterator[Problem]:
    """Two environments in one folder of one host would take each other's releases away."""
    taken: dict[tuple[str, str], str] = {}
    root = text(table(document, "deploy"), "root")
    for name, held in tables(document, "environments").items():
        folder = text(held, "root") or root
        if folder is None or "{environment}" in folder:
            continue
        for host in _all_hosts(document, held):
            other = taken.setdefault((host, folder.rstrip("/")), name)
            if other != name:
                message = f"{other} and {name} would share the folder {show(folder)} on '{host}'"
                allowed = "a root of its own for each, such as one with {environment}"
                place = ("environments", name, "root" if "root" in held else "hosts")
                yield Problem(place, f"{message}; allowed is {allowed}", show(folder), allowed)
                break


def _all_hosts(document: Table, environment: dict[str, Any]) -> list[str]:
    processes = [MAIN, *tables(document, "processes")]
    found = {host: None for process in processes for host in hosts_of(document, environment, process)}
    return list(found)
