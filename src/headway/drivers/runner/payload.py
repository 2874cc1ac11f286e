"""A job as shell text: what the runner reads from its standard input, and neither a file nor an argument list shows.

The text sets the `hw_` variables and defines the functions that runner.sh calls. Each step is a function that
enters its directory, exports the job's environment and becomes the step's shell; so only steps ever have it.
"""

import re
import secrets
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import PurePosixPath

from headway.base.durations import format_duration, format_size
from headway.base.errors import WrongUse
from headway.domain.job import JobSpec, StepSpec

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# These read a script by `-c '. /dev/fd/3'`: it is found whatever its directory is called by then.
_SHELLS = {"sh", "bash", "dash", "ash", "ksh", "mksh"}
_BLOCK = 512


def payload(spec: JobSpec) -> bytes:
    """The shell text of `spec`, with two fresh random ids. Raises WrongUse for what no shell can carry."""
    timeout, idle = spec.timeout, spec.idle_timeout or timedelta()
    lines = [
        f"hw_job={secrets.token_hex(16)}",
        f"hw_mark={secrets.token_hex(16)}",
        f"hw_steps={len(spec.steps)}",
        f"hw_work={quoted(_inside(spec.directory, spec.working_directory))}",
        f"hw_timeout={_centiseconds(timeout)} hw_timeout_text={quoted(format_duration(timeout))}",
        f"hw_idle={_centiseconds(idle)} hw_idle_text={quoted(format_duration(idle))}",
        f"hw_stop={_centiseconds(spec.stop_within)}",
        f"hw_limit={-(-spec.output_limit // _BLOCK)} hw_limit_text={quoted(format_size(spec.output_limit))}",
        f"hw_keep={int(spec.keep_background)}",
        _function("hw_write_steps", _write_steps(spec.steps)),
        _function("hw_environment", _exports(spec.env, ((s.name, s.reveal()) for s in spec.secrets))),
        *(_step(index, step) for index, step in enumerate(spec.steps, 1)),
        "hw_payload=whole",
        "",
    ]
    return "\n".join(lines).encode("utf-8", "surrogateescape")


def quoted(text: str) -> str:
    """`text` as one word of shell."""
    if "\0" in text:
        raise WrongUse(f"a job cannot hold a NUL character: {text[:60]!r}")
    return "'" + text.replace("'", "'\\''") + "'"


def _inside(directory: str, path: str) -> str:
    """`path`, relative if it lies in the job's directory: that may be renamed while the job runs."""
    try:
        return f"./{PurePosixPath(path).relative_to(directory)}"
    except ValueError:
        return path


def _centiseconds(duration: timedelta) -> int:
    return round(duration / timedelta(milliseconds=10))


def _function(name: str, body: Iterable[str]) -> str:
    return "\n".join([f"{name}() {{", ":", *body, "}"])


def _write_steps(steps: tuple[StepSpec, ...]) -> Iterable[str]:
    for index, step in enumerate(steps, 1):
        # On the script's own first line, so that the line numbers in its error messages are right.
        close = "exec 3<&-; " if _is_shell(step) else ""
        script = step.script if step.script.endswith("\n") else step.script + "\n"
        yield f"printf %s {quoted(close + script)} >steps/{index} || return 1"


def _exports(*environments: Mapping[str, str] | Iterable[tuple[str, str]]) -> Iterable[str]:
    for environment in environments:
        for name, value in dict(environment).items():
            if not _NAME.fullmatch(name):
                raise WrongUse(
                    f"'{name}' cannot be the name of an environment variable",
                    hint="Use letters, digits and underscores, not beginning with a digit.",
                )
            yield f"export {name}={quoted(value)}"


def _step(index: int, step: StepSpec) -> str:
    """Called with the script's path and then the arguments by which a shell reads it."""
    words = " ".join(map(quoted, step.shell))
    body = ['hw_enter "$hw_work"']
    if step.working_directory is not None:
        body.append(f"hw_enter {quoted(step.working_directory)}")
    body += ["hw_environment", *_exports(step.env)]
    body += ["shift", f'exec {words} "$@"'] if _is_shell(step) else [f'exec {words} "$1" 3<&-']
    return _function(f"hw_step_{index}", body)


def _is_shell(step: StepSpec) -> bool:
    return PurePosixPath(step.shell[0]).name in _SHELLS
