"""Faults of meaning in `[triggers]` and `[parameters]`: lists that begin with `!`, values of the wrong kind, doubles."""

from collections.abc import Iterator

from headway.base.globs import Unreadable, read_rule
from headway.domain.contract import ParameterKind, ParameterSpec
from headway.domain.parameters import allowed_values, is_value
from headway.wire.strict.faults import Path, Problem, show, unknown, wrong
from headway.wire.strict.raw import Table, table, tables, text, texts, twice, unreadable

#: Kind -> how its values stand in the file.
_WRITTEN: dict[ParameterKind, tuple[type, ...]] = {
    ParameterKind.TEXT: (str,),
    ParameterKind.NUMBER: (int, float),
    ParameterKind.BOOLEAN: (bool,),
    ParameterKind.CHOICE: (str,),
}


def pipeline_problems(document: Table) -> Iterator[Problem]:
    specs = {name: parameter_spec(name, held) for name, held in tables(document, "parameters").items()}
    yield from _parameters(document)
    triggers = table(document, "triggers")
    for path in (("push", "branches"), ("push", "paths"), ("tags",), ("pull_requests", "base")):
        held: object = triggers
        for part in path:
            held = held.get(part) if isinstance(held, dict) else None
        yield from _globs(held, ("triggers", *path))
    yield from _paths(triggers)
    yield from _releases(document, triggers)
    yield from _cron(triggers, specs)
    pipeline = table(document, "pipeline")
    if pipeline.get("superseded") == "keep" and pipeline.get("cancel_running") is True:
        message = "cancels what runs, and superseded = 'keep' keeps what waits; it is one or the other"
        yield Problem(("pipeline", "cancel_running"), message, "true", "false")


def _globs(value: object, path: Path) -> Iterator[Problem]:
    yield from twice(value, path)
    yield from unreadable(value, path)
    first = next(texts(value, path), None)
    if isinstance(value, list) and first is not None and first[1].startswith("!"):
        message = f"{show(first[1])} takes out of an empty list; write first what is taken in, such as '**'"
        yield Problem(first[0], message, show(first[1]), "a glob without '!' first")


def _paths(triggers: Table) -> Iterator[Problem]:
    for place, glob in texts(table(triggers, "push").get("paths"), ("triggers", "push", "paths")):
        try:
            read_rule(glob)
        except Unreadable:
            yield Problem(place, f"{show(glob)} is no glob of files; allowed is such as 'src/**'", show(glob))


def _releases(document: Table, triggers: Table) -> Iterator[Problem]:
    own = text(table(document, "service"), "name")
    value = triggers.get("releases")
    yield from twice(value, ("triggers", "releases"))
    for place, name in texts(value, ("triggers", "releases")):
        if name == own:
            message = f"{show(name)} is this service itself: each release would begin the next run"
            yield Problem(place, message, show(name), "another service")


def as_written_value(value: object) -> str | None:
    """A value as a step finds it in its variable; None for what no parameter takes."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int | float) else None


def parameter_spec(name: str, held: Table) -> ParameterSpec:
    """What can be known of a parameter even where its table has faults."""
    kind = text(held, "type") or ParameterKind.TEXT
    return ParameterSpec(
        name=name,
        kind=ParameterKind(kind) if kind in list(ParameterKind) else ParameterKind.TEXT,
        default=as_written_value(held.get("default")),
        choices=tuple(choice for _, choice in texts(held.get("choices"), ())),
        description=text(held, "description") or "",
        required=held.get("required") is True,
    )


def _parameters(document: Table) -> Iterator[Problem]:
    variables: dict[str, str] = {}
    for name, held in tables(document, "parameters").items():
        path = ("parameters", name)
        spec = parameter_spec(name, held)
        other = variables.setdefault(spec.variable, name)
        if other != name:
            message = f"{show(other)} and {show(name)} would both arrive as {spec.variable}"
            yield Problem(path, message, show(name), "names that differ", at_key=True)
        yield from _choices(path, spec, held)
        if "default" in held:
            if spec.required:
                message = (
                    "stands beside required = true, which says that there is none; it is one or the other"
                )
                yield Problem((*path, "default"), message, show(held["default"]), at_key=True)
            yield from _value((*path, "default"), spec, held["default"])


def _choices(path: Path, spec: ParameterSpec, held: Table) -> Iterator[Problem]:
    if spec.kind is ParameterKind.CHOICE and "choices" not in held:
        example = 'choices = ["quick", "full"]'
        yield Problem((*path, "choices"), f"is missing; write it, such as: {example}", allowed=example)
    elif spec.kind is not ParameterKind.CHOICE and "choices" in held:
        message = f"belongs to type 'choice', and the type here is '{spec.kind}'"
        yield Problem((*path, "choices"), message, show(held["choices"]), at_key=True)
    yield from twice(held.get("choices"), (*path, "choices"))


def _value(path: Path, spec: ParameterSpec, value: object) -> Iterator[Problem]:
    """What is wrong with a value that the file gives to a parameter. What no parameter takes is a fault of shape."""
    written = as_written_value(value)
    if written is None:
        return
    fits = isinstance(value, _WRITTEN[spec.kind]) and isinstance(value, bool) is (
        spec.kind is ParameterKind.BOOLEAN
    )
    if spec.kind is ParameterKind.CHOICE and fits:
        if spec.choices and written not in spec.choices:
            yield unknown(path, written, "not among the choices", spec.choices)
    elif not fits or not is_value(spec, written):
        quoted = " in quotes" if spec.kind in (ParameterKind.TEXT, ParameterKind.CHOICE) else ""
        yield wrong(path, value, allowed_values(spec) + quoted)


def _cron(triggers: Table, specs: dict[str, ParameterSpec]) -> Iterator[Problem]:
    entries = triggers.get("cron")
    names: set[str] = set()
    for number, entry in enumerate(entries if isinstance(entries, list) else ()):
        path: Path = ("triggers", "cron", number)
        name = text(entry, "name")
        if name is not None and name in names:
            yield Problem((*path, "name"), f"{show(name)} stands in this list twice", show(name), "each once")
        names.add(name or "")
        given = table(entry, "parameters")
        for parameter, value in given.items():
            place = (*path, "parameters", parameter)
            if parameter not in specs:
                none = "there is no [parameters] table"
                yield unknown(place, parameter, "no parameter", specs, none=none, at_key=True)
            else:
                yield from _value(place, specs[parameter], value)
        missing = [spec.name for spec in specs.values() if spec.required and spec.name not in given]
        if missing:
            message = f"gives no value for {', '.join(missing)}, which is required"
            yield Problem((*path, "parameters"), message, allowed=", ".join(missing))
