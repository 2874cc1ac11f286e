"""The names of a deployment's steps on a host, as they stand in its journal, in its jobs and in its log."""

from dataclasses import dataclass
from enum import StrEnum


class HostStep(StrEnum):
    VERIFY = "verify"
    UNPACK = "unpack"
    SETTINGS = "settings"
    PREPARE = "prepare"
    ONCE = "once"
    DRAIN = "drain"
    RUN = "run"
    SWITCH = "switch"
    DEACTIVATE = "deactivate"
    ACTIVATE = "activate"
    HEALTH = "health"
    #: A canary is watched.
    WATCH = "watch"
    LOGS = "logs"
    UNDRAIN = "undrain"
    #: What could not be stopped on the way back, told once all else serves.
    STOPPED = "stopped"
    #: The record of the deployment is written. On the way back: it came to its end here.
    FINISH = "finish"
    #: The host was left out of the environment, and nothing of it runs there any more.
    EMPTIED = "emptied"


class Way(StrEnum):
    """To the release of the deployment, or from it back to what was before; as it stands before a step's name."""

    FORWARD = ""
    BACK = "back-"


@dataclass(frozen=True, slots=True)
class StepName:
    """`switch`, `back-activate:worker`: a step, on which way, and for which process of several."""

    step: HostStep
    way: Way = Way.FORWARD
    process: str = "main"

    def __str__(self) -> str:
        name = f"{self.way}{self.step}"
        return name if self.process == "main" else f"{name}:{self.process}"

    @classmethod
    def parse(cls, text: str) -> "StepName | None":
        """None for what is no step of this version."""
        name, _, process = text.partition(":")
        way = Way.BACK if name.startswith(Way.BACK) else Way.FORWARD
        name = name.removeprefix(way)
        return cls(HostStep(name), way, process or "main") if name in set(HostStep) else None


#: A host that comes to the end of one of these is not half-way any more.
ENDS = frozenset({StepName(HostStep.FINISH), StepName(HostStep.FINISH, Way.BACK), StepName(HostStep.EMPTIED)})
#: These change nothing of what serves.
CHANGES_NOTHING = frozenset(
    {HostStep.VERIFY, HostStep.UNPACK, HostStep.SETTINGS, HostStep.PREPARE, HostStep.ONCE}
)
