"""Looks at the world all the while: what each host serves, and what users get."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from headway.demo.http import ask_json
from headway.demo.layout import HOSTS, STAGING_HOST
from headway.demo.teller import HostView, View
from headway.demo.world import World

#: Seconds between two looks.
EVERY = 0.12


@dataclass(frozen=True, slots=True)
class Counts:
    """What users met: failures as the traffic kept them, with who answered. Times are monotonic seconds."""

    total: int
    answered: dict[str, int]
    failures: tuple[dict[str, object], ...]

    def failures_of(self, release: str | None) -> list[dict[str, object]]:
        """Those that this release itself answered; everything else is laid to nobody but Headway."""
        return [failure for failure in self.failures if release and failure["release"] == release]


class Watch:
    """Starts the traffic when the first host is in, and hands each look to `see`."""

    def __init__(self, world: World, see: Callable[[View], None]) -> None:
        self._world = world
        self._see = see
        self._over = threading.Event()
        self._flowing = False
        self._thread = threading.Thread(target=self._keep_looking, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join(10)

    def look(self) -> View:
        """Raises OSError and ValueError when a part does not answer."""
        balancer = self._world.balancer()
        if not self._flowing and any(host["included"] for host in balancer.values()):
            self.flow()
        counts = self.counts()
        staging = HostView("staging", self._world.live_release(STAGING_HOST, "staging"), None)
        hosts = [
            HostView(host, self._world.live_release(host), bool(balancer[host]["included"])) for host in HOSTS
        ]
        return View((staging, *hosts), sum(counts.answered.values()), len(counts.failures))

    def flow(self) -> None:
        """Users come from now on."""
        ask_json(self._world.layout.traffic_admin, "/flow", "POST")
        self._flowing = True

    def counts(self) -> Counts:
        return _counts(ask_json(self._world.layout.traffic_admin, "/counts"))

    def finish(self) -> Counts:
        """Stop the traffic; answers when the last request is answered."""
        return _counts(ask_json(self._world.layout.traffic_admin, "/stop", "POST", timeout=15))

    def _keep_looking(self) -> None:
        while not self._over.wait(EVERY):
            try:
                self._see(self.look())
            except (OSError, ValueError):
                continue  # the next look comes soon; what the story rests on it asks for itself


def _counts(document: dict[str, object]) -> Counts:
    total, answered, failures = document["total"], document["answered"], document["failures"]
    assert isinstance(total, int) and isinstance(answered, dict) and isinstance(failures, list)
    return Counts(total, answered, tuple(failures))
