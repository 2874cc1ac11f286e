"""What the acts have in hand: the world, the repository, the real command, and the right to say "this was not told so"."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from headway.base.errors import Failed
from headway.demo.calls import Finished, Running, ask
from headway.demo.layout import HOSTS, SERVICE, STAGING_HOST
from headway.demo.parts import uptime
from headway.demo.repository import Repository
from headway.demo.teller import Teller
from headway.demo.watch import Watch
from headway.demo.world import World


class Otherwise(Failed):
    """Something in the story went otherwise than told."""


@dataclass(slots=True)
class Tale:
    """What came of the story, collected by its acts."""

    #: What became of each commit that was made: delivered, stopped, rolled_back, reverting.
    commits: dict[str, str] = field(default_factory=dict)
    #: Number -> state, and number -> deployment, as Headway itself has them.
    runs: dict[int, str] = field(default_factory=dict)
    deployments: dict[int, dict[str, Any]] = field(default_factory=dict)
    #: The release that was bad on one host.
    bad_release: str | None = None
    #: Exit codes of the commands as they were typed, in their order.
    commands: list[dict[str, object]] = field(default_factory=list)
    resumed_after_kill: int = 0


class Stage:
    def __init__(self, world: World, teller: Teller, watch: Watch) -> None:
        self.world = world
        self.layout = world.layout
        self.repository = Repository(world.layout)
        self.teller = teller
        self.watch = watch
        self.tale = Tale()

    def headway(
        self, *words: str, expect: int, brief: int | None = None, variables: Mapping[str, str] = {}
    ) -> Finished:
        """Type a command, show what it says, and hold it to its exit code. `brief`: only the last lines of it."""
        tell = self.teller.output if brief is None else _nobody
        running = self.start(*words, tell=tell, variables=variables)
        with self.teller.under_way(f"headway {' '.join(words)}"):
            done = running.wait()
        if brief is not None:
            self.teller.last_lines(done.output, brief if done.exit_code == expect else len(done.output))
        return self.ended(done, expect)

    def start(
        self, *words: str, tell: Callable[[str], None] | None = None, variables: Mapping[str, str] = {}
    ) -> Running:
        self.teller.typed("headway " + " ".join(words))
        return Running(self.layout, words, tell or self.teller.output, variables)

    def ended(self, done: Finished, expect: int | None) -> Finished:
        """`expect` None: it was killed, its exit code says nothing."""
        self.tale.commands.append(
            {"command": done.typed, "exit_code": done.exit_code, "seconds": round(done.took, 2)}
        )
        if expect is not None and done.exit_code != expect:
            lines = done.output.strip().splitlines()
            said = f": {lines[-1].strip()}" if lines else ""
            raise Otherwise(f"`{done.typed}` ended with {done.exit_code} in place of {expect}{said}")
        return done

    def ask(self, *words: str) -> Any:
        """A command's `--json` document, not shown."""
        try:
            return ask(self.layout, *words)
        except ValueError as error:
            raise Otherwise(str(error)) from error

    def run(self, *, expect: int, brief: int | None = None) -> str | None:
        """`headway run`, and what Headway says came of it; answers the release."""
        self.headway("run", expect=expect, brief=brief)
        run = self.ask("logs", "last")["run"]
        self.tale.runs[run["number"]] = run["state"]
        release: str | None = run["release"]
        return release

    def deploy(self, environment: str, *, expect: int, brief: int | None = None) -> int:
        """`headway deploy`, and what Headway says came of it; answers the deployment's number."""
        self.headway("deploy", environment, expect=expect, brief=brief)
        (status,) = self.ask("status", environment)["environments"]
        found = [*status["unfinished"], status["live"], status["last"]]
        newest = max((one for one in found if one), key=lambda one: int(one["number"]))
        self.tale.deployments[newest["number"]] = newest
        return int(newest["number"])

    def expect(self, holds: bool, told: str, found: object) -> None:
        """Raises Otherwise unless it `holds`; `told` is a sentence that is true then."""
        if not holds:
            raise Otherwise(f"not so: {told}; found: {found}")
        self.teller.good(told)

    def expect_everywhere(self, release: str, told: str) -> None:
        """Production's hosts all serve `release` and are all in the balancer, as the hosts themselves and users see it."""
        self.see()
        balancer = self.world.balancer()
        found = {host: (self.world.live_release(host), balancer[host]["included"]) for host in HOSTS}
        self.expect(set(found.values()) == {(release, True)}, told, found)

    def see(self) -> None:
        self.teller.see(self.watch.look())

    def picture(self) -> None:
        self.see()
        self.teller.picture()

    def staging_release(self) -> str | None:
        return self.world.live_release(STAGING_HOST, "staging")

    def starts(self, host: str, release: str) -> int:
        """How often the shop of this release was started on this host, by the shop's own log."""
        log = self.layout.root(host) / "shared" / "host" / "shop.log"
        return log.read_text(errors="replace").count(f"{SERVICE} {release} listens")

    def wait_until(self, holds: Callable[[], bool], told: str, *, running: Running, within: float) -> None:
        """Look closely until it holds. Raises Otherwise when the command ended or `within` seconds passed before."""
        until = uptime() + within
        while not holds():
            if running.process.poll() is not None or uptime() > until:
                raise Otherwise(f"this did not come while `headway {' '.join(running.words)}` ran: {told}")
            time.sleep(0.01)


def _nobody(line: str) -> None:
    """Takes the lines of an output that is shown afterwards."""
