"""What jobs ask of the machine that the server of this command does not hand to them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from headway.base.errors import HeadwayError
from headway.cli.output import echo
from headway.cli.server_choice import server_for
from headway.engine.settings import Settings

if TYPE_CHECKING:
    from headway.domain.contract import JobDefinition


@dataclass(frozen=True, slots=True)
class Withheld:
    #: How people know the server.
    server: str
    #: Variable -> the jobs that name it in `pass_env`.
    jobs: Mapping[str, list[str]]


def ask_withheld(jobs: "Mapping[str, JobDefinition]", settings: Settings, *, local: bool) -> Withheld | None:
    """None: there is nothing to ask, nobody to ask, or no answer, which is said on standard error.

    The file is right or wrong whatever a server says, so one that is away is no fault of it.
    """
    from headway.engine.runs.environment import withheld

    if not any(job.pass_env for job in jobs.values()):
        return None
    try:
        if (server := server_for(settings, local=local)) is None:
            return None
        told = server.get("/api/system").get("job_variables")
    except HeadwayError as error:
        echo(f"pass_env: the server could not be asked what it hands out: {error.message}", err=True)
        return None
    if told is None:
        echo(f"pass_env: {server.name} is too old to say what it hands out", err=True)
        return None
    found: dict[str, list[str]] = {}
    for name, job in jobs.items():
        for variable in withheld(job, frozenset(told)):
            found.setdefault(variable, []).append(name)
    return Withheld(server.name, found)
