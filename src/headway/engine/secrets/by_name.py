"""Secrets by name, from the vault, from files that only their owner can read, and from the caller's environment.
Values are never told.

SecretsError             2
├── SecretsFileOpen      2   a file that others could read, or that is not ours
├── SecretsFileInvalid   2   a line that is no NAME=value; named by its number, never by what it holds
├── SecretsMissing       2   names that are nowhere, all of them
└── SecretTooShort       2   a value that cannot be masked
"""

import os
import re
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from headway.base.errors import WrongUse
from headway.base.secret import MINIMUM_LENGTH, Secret
from headway.domain.run import Run
from headway.engine.settings import Settings, WantedSecrets

_MOST_BYTES = 1 << 20
_ASSIGNMENT = re.compile(r"[ \t]*(?:export[ \t]+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*")
_IDLE = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|\Z)")
_SINGLE = re.compile(r"'(?P<value>[^']*)'[ \t]*(?:\n|\Z)")
_DOUBLE = re.compile(r'"(?P<value>(?:[^"\\]|\\.)*)"[ \t]*(?:\n|\Z)', re.DOTALL)
_PLAIN = re.compile(r"(?P<value>[^\n]*)(?:\n|\Z)")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


class SecretsError(WrongUse):
    pass


class SecretsFileOpen(SecretsError):
    pass


class SecretsFileInvalid(SecretsError):
    pass


class SecretsMissing(SecretsError):
    pass


class SecretTooShort(SecretsError):
    pass


def load_secrets(
    names: Sequence[str],
    service: str,
    environment: str | None,
    settings: Settings,
    *,
    team: str | None = None,
    repository: str | None = None,
) -> tuple[Secret, ...]:
    """The secrets that `names` asks for, in that order. `repository`: whose code is to be given them, on a server.

    Looked for in the vault (of the environment, the service, the team; a job's secrets have no environment), then in
    DATA/secrets/<service>.<environment>.env, then in DATA/secrets/<service>.env (`secret_files`), then among the caller's environment
    variables, which those of a server are not. Nothing is read unless a name is asked for. Raises the errors above
    and those of `engine.secrets.vault`; SecretsMissing lists all names that are nowhere.
    """
    if not names:
        return ()
    # Imported here: most commands name no secret, and must not wait for what opens them.
    from headway.engine.secrets.vault import local_secrets

    files = secret_files(service, environment, settings)
    stored = settings.stored_secrets or local_secrets(settings)
    sources: list[tuple[str, Mapping[str, str]]] = []
    if stored is not None:
        wanted = WantedSecrets(names, service, environment, team, repository)
        sources.append(("the vault", stored(wanted)))
    sources += [(str(file), read_secrets_file(file)) for file in files]
    if settings.stored_secrets is None:
        sources.append(("the environment", settings.environment))
    found: list[Secret] = []
    missing: list[str] = []
    for name in dict.fromkeys(names):
        place, values = next((source for source in sources if source[1].get(name)), ("", {}))
        if not place:
            missing.append(name)
        else:
            found.append(_secret(name, values[name], place))
    if missing:
        raise _missing(missing, service, environment, None if settings.stored_secrets else files[0])
    return tuple(found)


def secrets_for_run(
    run: Run, names: Sequence[str], settings: Settings, *, team: str | None = None
) -> tuple[Secret, ...]:
    """What the jobs of this run are given of the secrets that they name.

    The run of a stranger's pull request is given none, approved or not: its code could print them. Its jobs start
    without them. Raises what `load_secrets` raises.
    """
    trigger = run.trigger
    if trigger is not None and trigger.fork:
        return ()
    repository = trigger.repository if trigger is not None else None
    return load_secrets(names, run.service, None, settings, team=team, repository=repository)


def secret_files(service: str, environment: str | None, settings: Settings) -> tuple[Path, ...]:
    """Where secrets are looked for, the first one wins.

    A service's own dots are written %2E: else `alpha.production` would be given what the production of `alpha` has.
    """
    name = _file_name(service)
    general = settings.secrets / f"{name}.env"
    return (settings.secrets / f"{name}.{environment}.env", general) if environment else (general,)


def _file_name(service: str) -> str:
    """Without a dot: the first one of a file's name ends the service's. No name holds a %."""
    return service.replace(".", "%2E")


def secrets_in_files(service: str, environment: str | None, settings: Settings) -> list[Secret]:
    """All that can be masked of what the files of one environment hold, and of all without `environment`; those that
    count for every environment are among them. Raises as `read_secrets_file` does."""
    if environment is not None:
        files = list(secret_files(service, environment, settings))
    else:
        found = sorted(settings.secrets.glob(f"{_file_name(service)}.*env"))
        files = [file for file in found if file.suffix == ".env"]
    held = [item for file in files for item in read_secrets_file(file).items()]
    return [Secret(name, value) for name, value in held if len(value) >= MINIMUM_LENGTH]


def set_files_aside(service: str, settings: Settings, mark: str) -> list[str]:
    """The next repository of this name is given none of the service's files: each is renamed, by `mark` at its end.

    Gives the names of all that end so: a second call finds what the first one has done. Raises SecretsFileInvalid.
    """
    if not settings.secrets.is_dir():
        return []
    beginning = f"{_file_name(service)}."
    files = [file for file in settings.secrets.iterdir() if file.name.startswith(beginning)]
    try:
        for file in files:
            if file.suffix == ".env":
                file.rename(file.with_name(f"{file.name}.{mark}"))
    except OSError as error:
        raise SecretsFileInvalid(
            f"{settings.secrets} cannot be written: {error.strerror}", hint=f"see: ls -ld {settings.secrets}"
        ) from error
    return sorted(file.name for file in settings.secrets.glob(f"{beginning}*.{mark}"))


def read_secrets_file(file: Path) -> dict[str, str]:
    """What the file holds; nothing when it is not there. Raises SecretsFileOpen, SecretsFileInvalid."""
    try:
        with open(os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as opened:
            _require_private(file, os.fstat(opened.fileno()))
            content = opened.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SecretsFileInvalid(
            f"{file} cannot be read: {error.strerror}", hint=f"see: ls -l {file}"
        ) from error
    if len(content) > _MOST_BYTES:
        raise SecretsFileInvalid(f"{file} is larger than 1 MiB", hint="keep secrets in it, and nothing else")
    try:
        text = content.decode()
    except UnicodeDecodeError:
        # Not chained: that error would carry the file's content.
        raise SecretsFileInvalid(
            f"{file} is not UTF-8", hint="encode a binary secret, for example with base64"
        ) from None
    return parse_secrets(text.replace("\r\n", "\n"), str(file))


def parse_secrets(text: str, name: str) -> dict[str, str]:
    """`NAME=value` lines. A value in quotes may span lines; in double quotes \\n, \\t, \\" and \\\\ are escapes.

    Without quotes the value is the rest of the line, `#` included, because secrets hold any character; nothing
    is replaced in it. Empty lines and lines that begin with `#` are comments; `export` may stand before a name.
    Raises SecretsFileInvalid with the line's number.
    """
    found: dict[str, str] = {}
    position = 0
    while position < len(text):
        if idle := _IDLE.match(text, position):
            position = idle.end()
            continue
        line = text.count("\n", 0, position) + 1
        assignment = _ASSIGNMENT.match(text, position)
        if assignment is None:
            raise _invalid(name, line, "is no NAME=value")
        key = assignment["name"]
        if key in found:
            raise _invalid(name, line, f"sets {key} a second time")
        value, position = _value(text, assignment.end(), name, line)
        if "\0" in value:
            raise _invalid(name, line, "holds a NUL byte, which no environment variable can")
        found[key] = value
    return found


def _value(text: str, start: int, name: str, line: int) -> tuple[str, int]:
    if text.startswith("'", start):
        match = _SINGLE.match(text, start)
    elif text.startswith('"', start):
        match = _DOUBLE.match(text, start)
    else:
        match = _PLAIN.match(text, start)
        assert match is not None
        return match["value"].strip(), match.end()
    if match is None:
        raise _invalid(name, line, "opens a quote that is not closed, or has text after it")
    value = match["value"]
    if text[start] == '"':
        value = re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[1]), value, flags=re.DOTALL)
    return value, match.end()


def _secret(name: str, value: str, place: str) -> Secret:
    if len(value) < MINIMUM_LENGTH:
        raise SecretTooShort(
            f"the secret {name} in {place} has fewer than {MINIMUM_LENGTH} characters, too few to mask it in logs",
            hint="give it a longer value, or make it a plain variable in env",
        )
    return Secret(name, value)


def _require_private(file: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise SecretsFileOpen(
            f"{file} is not a regular file", hint="write the secrets into a file of that name"
        )
    if status.st_uid != os.geteuid():
        raise SecretsFileOpen(
            f"{file} belongs to another user, who could change it", hint=f"sudo chown {os.geteuid()} {file}"
        )
    if status.st_mode & 0o077:
        raise SecretsFileOpen(
            f"{file} can be read by others (mode {stat.S_IMODE(status.st_mode):04o})",
            hint=f"chmod 600 {file}",
        )


def _missing(
    names: Sequence[str], service: str, environment: str | None, file: Path | None
) -> SecretsMissing:
    """`file` is where it could be written; None on a server."""
    several = len(names) > 1
    where = f"the environment {environment} of {service}" if environment else f"the jobs of {service}"
    need = (
        f"{where} need{'' if not environment else 's'} the secret{'s' if several else ''} {', '.join(names)}"
    )
    if file is None:
        told = f" --environment {environment}" if environment else ""
        return SecretsMissing(
            f"{need}, which {'are' if several else 'is'} not stored here",
            hint=f"headway secret set {names[0]} --service {service}{told}; or Settings, Secrets",
        )
    return SecretsMissing(
        f"{need}, and no file or variable has {'them' if several else 'it'}",
        hint=f"write {names[0]}=… into {file} (then chmod 600 it), or: export {names[0]}=…",
    )


def _invalid(name: str, line: int, what: str) -> SecretsFileInvalid:
    return SecretsFileInvalid(
        f"line {line} of {name} {what}", hint="write one NAME=value a line; see docs/secrets.md"
    )
