"""What is carried on by itself and broke off: told at once, wherever somebody may look, until it is under way again.

The work comes again after a rest. Its fault is believed over for good when it ends well, and for now when it has been
under way again for longer than the try that failed.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from headway.base.errors import HeadwayError
from headway.engine.troubles import Trouble

#: A try that lasts longer than this, and than twice what the failed one took, is under way again.
_UNDER_WAY = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class WorkFault:
    #: For people: `deployment 3 of shop to staging cannot be driven`.
    what: str
    #: Where it stands.
    href: str
    #: Why, without its full stop, and what to do; empty where nobody knows.
    told: str
    hint: str
    #: A fault of Headway itself, not of a host, a network or a file.
    is_ours: bool
    #: Tries in a row that broke off.
    times: int
    at: datetime
    again_at: datetime
    #: When a try that did not break off before is believed to go well.
    until: datetime


def is_own(error: Exception) -> bool:
    """Whether nobody but who wrote Headway can have expected it."""
    return not isinstance(error, HeadwayError)


def own_fault(error: Exception) -> str:
    """For people. Not its text: that may hold what is nobody's to read."""
    return f"Headway's own error: {type(error).__name__}; the server's log says more"


class WorkFaults:
    """Of one kind of work, by the id of each. For one thread; in memory: after a start the work is tried at once."""

    def __init__(self, public: str = "") -> None:
        """`public`, for `/readyz`, names no person, service, path or address: `a deployment cannot be driven`. None of
        what a stranger's push may bring about: it would call a server not ready that works for everybody else."""
        self._public = public
        self._faults: dict[str, WorkFault] = {}

    def note(
        self,
        key: str,
        error: Exception,
        *,
        what: str,
        href: str,
        began_at: datetime,
        now: datetime,
        rest: timedelta,
    ) -> WorkFault:
        """This try broke off at `now`; the next begins after `rest`."""
        before = self.of(key, now)
        again_at = now + rest
        self._faults = {other: fault for other, fault in self._faults.items() if fault.until > now}
        self._faults[key] = fault = WorkFault(
            what,
            href,
            error.message if isinstance(error, HeadwayError) else own_fault(error),
            (error.hint or "") if isinstance(error, HeadwayError) else "",
            is_own(error),
            before.times + 1 if before else 1,
            now,
            again_at,
            again_at + max(_UNDER_WAY, 2 * (now - began_at)),
        )
        return fault

    def over(self, key: str) -> None:
        self._faults.pop(key, None)

    def of(self, key: str, now: datetime) -> WorkFault | None:
        fault = self._faults.get(key)
        return fault if fault is not None and now < fault.until else None

    def troubles(self, now: datetime) -> list[Trouble]:
        """Ours keep the server from its work; the others are told to people, who may mend them."""
        return [
            Trouble(
                f"{fault.what}: {fault.told}",
                public=f"{self._public}: Headway's own error; the server's log says why"
                if self._public and fault.is_ours
                else "",
                href=fault.href,
                hint=fault.hint or "It is tried again and again. What runs, runs on; nothing is lost.",
            )
            for fault in self._faults.values()
            if now < fault.until
        ]
