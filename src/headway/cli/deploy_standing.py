"""What a server left at the gate of this data folder, for a `headway deploy` that goes there by itself."""

from dataclasses import dataclass

from headway.base.clock import SystemClock
from headway.cli.output import echo
from headway.domain.release import Release
from headway.domain.request import Request
from headway.engine.deployments.gate import Permission
from headway.store.database import Database, Transaction
from headway.store.requests import approvals_of, waiting_at


@dataclass(frozen=True, slots=True)
class AtTheGate:
    """`request`: the one that this deployment fulfils, if one for this very release waits."""

    waiting: Request | None = None
    request: str | None = None
    #: Who approved that request, once the server wanted no other approval.
    permission: Permission | None = None

    def tell(self, release: Release) -> None:
        if self.waiting is None:
            return
        told = f"a request of {self.waiting.requested_by} for {self.waiting.release} waits at this gate"
        comes = "it begins with this" if self.request else f"{release.id} goes before it, and it stays"
        echo(f"{told} ({self.waiting.id}: {self.waiting.reason}); {comes}", err=True)


def at_the_gate(database: Database, release: Release, environment: str) -> AtTheGate:
    """Blocks."""
    now = SystemClock().now()

    def read(tx: Transaction) -> AtTheGate:
        found = waiting_at(tx, release.service, environment)
        if found is None or found.release != release.id:
            return AtTheGate(found)
        # Only the server knows the floors and teams; what it said last is what counts.
        names = [one.person for one in approvals_of(tx, found.id) if one.yes and one.expires_at > now]
        is_enough = bool(names) and not any(one.kind == "approval" for one in found.obstacles)
        permission = Permission(", ".join(names), verified=True) if is_enough else None
        return AtTheGate(found, found.id, permission)

    return database.read(read)
