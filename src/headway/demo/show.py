"""The demo from its first process to its last: made, told, judged, cleared away."""

import contextlib
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

from headway.base.errors import HeadwayError, WrongUse
from headway.demo import served_story, story
from headway.demo.keep import how_to_look_around, how_to_play_on, load_kept, remove, resume, write_scripts
from headway.demo.outcome import outcome
from headway.demo.parts import uptime
from headway.demo.served import Served
from headway.demo.served_stage import ServedStage
from headway.demo.stage import Otherwise, Stage
from headway.demo.teller import Teller
from headway.demo.watch import Counts, Watch
from headway.demo.world import World, make_world

#: What Headway's own rows must say at the end. With a server a person takes one back as well.
_TOLD: dict[str, object] = {"runs": {"failed": 1, "succeeded": 4}, "rolled_back_automatically": 1}
AS_TOLD = {
    False: _TOLD | {"deployments": {"rolled_back": 1, "succeeded": 7}},
    True: _TOLD | {"deployments": {"rolled_back": 1, "succeeded": 8}},
}
_SSH_NAMES = {"openssh": "OpenSSH", "asyncssh": "asyncssh"}


class Ended(KeyboardInterrupt):
    """A TERM or a closed terminal: cleared up after like a Ctrl-C."""


def show(
    teller: Teller,
    folder: Path | None,
    *,
    ssh: str | None,
    keep: bool,
    server: bool,
    ended: Callable[[dict[str, object]], None] = lambda document: None,
) -> int:
    """Play the story in a world of its own. Answers the exit code; `ended` gets what is told with --json.

    `server`: through a server of its own, else with commands alone. `keep`: the folder stays; with a server all stays
    on until a Ctrl-C.

    Exit code 0: it went as told; 1: something went otherwise, which `otherwise` names; 130: it was broken off.
    """
    began = uptime()
    place, existed = _place(folder)
    world: World | None = None
    with _ended_by_signals():
        try:
            teller.title(
                "Headway: from a commit to production, and back", f"everything below happens in {place}"
            )
            world = _raise_world(teller, place, ssh, server=server)
            exit_code, document = _tell(teller, world, began)
        except KeyboardInterrupt:
            teller.say("Broken off.")
            ended({"as_told": False, "otherwise": "broken off"})
            return 130
        else:
            ended(document)
            if keep and server:
                _stay_on(teller, world)
            return exit_code
        finally:
            if world is not None:
                world.stop()
            if keep and world is not None:
                write_scripts(world.layout)
                for line in ["", *how_to_play_on(world.layout)]:
                    teller.say(line)
            else:
                remove(place, existed=existed)


def play_on(teller: Teller, folder: Path) -> int:
    """Run a kept world until Ctrl-C or TERM; then everything is switched off and the folder stays."""
    layout = load_kept(folder)
    with _ended_by_signals():
        try:
            with teller.under_way("switching on hosts, balancer and users"):
                world = resume(layout)
        except KeyboardInterrupt:
            return 130
        watch = Watch(world, teller.see)
        try:
            teller.see(watch.look())
            teller.picture()
            server = f" · Headway is at {Served(layout).url}" if layout.server_port else ""
            teller.say(
                f"On. Users come through http://127.0.0.1:{layout.balancer_port}/{server} · Ctrl-C switches off."
            )
            watch.start()
            with teller.under_way("hosts, balancer and users are on; Ctrl-C switches them off"):
                while True:
                    time.sleep(3600)
        except KeyboardInterrupt:
            return 0
        finally:
            watch.stop()
            world.stop()


def _stay_on(teller: Teller, world: World) -> None:
    """For looking around, with users all the while."""
    with contextlib.suppress(KeyboardInterrupt):
        watch = Watch(world, teller.see)
        watch.flow()
        write_scripts(world.layout)
        for line in ["", *how_to_look_around(world.layout)]:
            teller.say(line)
        with teller.under_way("look around; Ctrl-C switches everything off, the folder stays"):
            while True:
                time.sleep(3600)


def _raise_world(teller: Teller, place: Path, ssh: str | None, *, server: bool) -> World:
    what = "three hosts, a balancer and its users"
    with teller.under_way(f"starting {what}" + (", and Headway's server" if server else "")):
        world, why = make_world(place, ssh, server=server)
    name = _SSH_NAMES[world.layout.kind]
    teller.say(
        f"Three hosts that speak SSH ({name}), a balancer that never retries, and users who keep asking it."
    )
    if why:
        teller.say(f"OpenSSH is installed but was left aside: {why}")
    return world


def _tell(teller: Teller, world: World, began: float) -> tuple[int, dict[str, object]]:
    watch = Watch(world, teller.see)
    stage = ServedStage(world, teller, watch) if world.layout.server_port else Stage(world, teller, watch)
    watch.start()
    try:
        if isinstance(stage, ServedStage):
            served_story.play(stage)
        else:
            story.play(stage)
        watch.stop()
        counts = watch.finish()
        document = outcome(stage, counts, seconds=uptime() - began)
        judge(stage, counts, document)
    except HeadwayError as error:
        teller.bad(error.message)
        if error.hint:
            teller.say(f"  next: {error.hint}")
        told = {"as_told": False, "otherwise": error.message, "commands": stage.tale.commands}
        return (1 if isinstance(error, Otherwise) else error.exit_code), told
    except (OSError, ValueError) as error:
        teller.bad(f"a part of the world does not answer: {error}")
        return 1, {"as_told": False, "otherwise": str(error), "commands": stage.tale.commands}
    finally:
        watch.stop()
    return 0, {"as_told": True, **document}


def judge(stage: Stage, counts: Counts, document: dict[str, object]) -> None:
    """What must hold of the whole story. Raises Otherwise."""
    teller = stage.teller
    served = isinstance(stage, ServedStage)
    teller.act(
        8 if served else 7, "What users met", f"{counts.total:,} requests came while all this happened."
    )
    good = document["requests_failed_in_good_rollouts"]
    stage.expect(good == 0, "no request failed in a good rollout, killed half-way or not", f"{good} failed")
    bad = document["requests_failed_by_bad_release"]
    seconds = document["requests_failed_by_bad_release_seconds"]
    teller.say(f"  The bad release failed {bad} requests within {seconds} s; then it was out of traffic.")
    counted = stage.world.balancer_total()
    stage.expect(counted == counts.total, "the balancer counted as many as the users did", counted)
    for name, told in AS_TOLD[served].items():
        stage.expect(document[name] == told, f"{name.replace('_', ' ')}: {_words(told)}", document[name])
    stage.expect(document["recovery_seconds"] is not None, "the recovery was measured", None)
    teller.good(f"the story went as told, in {document['seconds']} s")


def _words(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{count} {state.replace('_', ' ')}" for state, count in value.items())
    return str(value)


def _place(folder: Path | None) -> tuple[Path, bool]:
    """The folder to use, and whether it was there before. Raises WrongUse for one that holds something."""
    if folder is None:
        return Path(tempfile.mkdtemp(prefix="headway-demo-")), False
    existed = folder.exists()
    if existed and any(folder.iterdir()):
        raise WrongUse(
            f"{folder} is not empty", hint="name a new folder, or play on in a kept one with --resume-hosts"
        )
    return folder.absolute(), existed


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """TERM and HUP end us as a Ctrl-C does: everything is cleared away."""

    def end(number: int, frame: FrameType | None) -> None:
        raise Ended

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
