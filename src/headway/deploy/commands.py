"""The commands of a deployment, composed from its plan and nothing else: dry run prints them, hosts run them.

Each command is one step of a job on a host. Its script is read by `sh -eu` in `directory` (relative to the
environment's root there), after `settings`, with $HEADWAY_ROOT and $HEADWAY_EPOCH (the owner's own directory) set.
What it puts in place it builds in $HEADWAY_EPOCH and then renames: the rename fails once another owner has come.

Whatever acts on a release comes from that release's own file: what runs is drained and stopped by its file, what comes
is activated by its own, and going back to a release uses that one's.
"""

import hashlib
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from enum import StrEnum

from headway.deploy.layout import STOP_GRACE, prepared_marker, release_directory, settings_file
from headway.deploy.placeholders import fill_command
from headway.deploy.plan import HostPlan, Plan, ReleaseOnHost
from headway.deploy.steps import HostStep, StepName, Way
from headway.deploy.unpacking import after_prepare, unpack_script, verify_script
from headway.domain.contract import DeploySpec, ProcessSpec
from headway.domain.deployment import Command


class Group(StrEnum):
    """The commands of a group run on a host one after the other, as one job."""

    #: Before a release that stands there is used again.
    VERIFY = "verify"
    PREPARE = "prepare"
    ONCE = "once"
    SWITCH = "switch"
    UNDRAIN = "undrain"
    BACK = "back"
    READMIT = "readmit"


def commands(plan: Plan, host: HostPlan, group: Group, *, switched: bool = True) -> tuple[Command, ...]:
    """`switched`: for the way back, whether the host's switch was done at all (if not, it needs no way back)."""
    if group is Group.BACK and not switched:
        return ()
    return tuple(_MADE[group](plan, host))


def settings_of(plan: Plan, host: HostPlan, environment: Mapping[str, str]) -> dict[str, str]:
    """The variables with which everything of this deployment runs on this host."""
    return {
        "HEADWAY_SERVICE": plan.service,
        "HEADWAY_ENVIRONMENT": plan.environment.name,
        "HEADWAY_RELEASE": plan.release,
        "HEADWAY_COMMIT": plan.commit,
        "HEADWAY_HOST": host.spec.name,
        "HEADWAY_DEPLOYMENT": plan.deployment,
        **environment,
    }


def settings_text(settings: Mapping[str, str]) -> str:
    """The file of settings: read by `.` in a shell and by systemd's EnvironmentFile alike."""
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in settings.items())


def by_hand(plan: Plan, host: HostPlan) -> str:
    """What follows the switch when a person goes back on the host itself, as one line for a shell in $HEADWAY_ROOT."""
    new, old = _Maker(plan, host, plan.new(host)), plan.old(host)
    assert old is not None
    back = _Maker(plan, host, old)
    gone = [
        new.user(HostStep.DEACTIVATE, process.deactivate)
        for process in _gone(new.on_host, old)
        if process.deactivate is not None
    ]
    stops = [f"{_line(command)} || echo 'not stopped'" for command in gone]
    starts = [*_run_back(back, Way.BACK), *_activate(back, Way.BACK)]
    return "; ".join([*stops, " && ".join(map(_line, starts)) or ":"])


def again_by_hand(plan: Plan, host: HostPlan) -> str:
    """What follows the switch when a person goes back to this very deployment, from one that came after it."""
    new = _Maker(plan, host, plan.new(host))
    return " && ".join(map(_line, [*_run_back(new, Way.BACK), *_activate(new, Way.FORWARD)])) or ":"


def _line(command: Command) -> str:
    """A user's command with all that it finds when Headway runs it, in a shell of its own."""
    words = " ".join(f"{name}={shlex.quote(value)}" for name, value in command.env.items())
    return (
        f'(cd "$HEADWAY_ROOT/{command.directory}" && set -a && . "$HEADWAY_ROOT/{command.settings}" && set +a'
        f" && {words} sh -eu -c {shlex.quote(command.script)})"
    )


class _Maker:
    """Commands of one release on one host."""

    def __init__(self, plan: Plan, host: HostPlan, on_host: ReleaseOnHost) -> None:
        self.host = host.spec.name
        self.on_host = on_host
        self.values = plan.values(host, on_host.release)
        self._place = {
            "directory": release_directory(on_host.release),
            "settings": settings_file(on_host.deployment),
        }

    def user(
        self, step: HostStep, text: str, process: ProcessSpec | None = None, way: Way = Way.FORWARD
    ) -> Command:
        """What the user wrote, in the release's directory, with its settings."""
        return self.framed(step, fill_command(text, self.values), process, way)

    def framed(
        self,
        step: HostStep,
        script: str,
        process: ProcessSpec | None = None,
        way: Way = Way.FORWARD,
        *,
        more: timedelta = timedelta(),
    ) -> Command:
        """A script of ours round what the user wrote; it may take `more` than a step may."""
        several = (process,) if process else self.on_host.deploy.processes
        stop = max((one.stop_within for one in several), default=STOP_GRACE)
        return Command(
            self.host,
            str(StepName(step, way, process.name if process else "main")),
            script,
            env={"HEADWAY_STOP_WITHIN": str(round(stop.total_seconds()))},
            limit=self.on_host.deploy.timeout + more,
            stop_within=stop,
            **self._place,
        )

    def own(
        self, step: HostStep, script: str, process: ProcessSpec | None = None, way: Way = Way.FORWARD
    ) -> Command:
        name = StepName(step, way, process.name if process else "main")
        return Command(self.host, str(name), script, limit=self.on_host.deploy.timeout)


def _verify(plan: Plan, host: HostPlan) -> Iterator[Command]:
    new = _Maker(plan, host, plan.new(host))
    yield new.own(HostStep.VERIFY, verify_script(plan, new.on_host.deploy))


def _prepare(plan: Plan, host: HostPlan) -> Iterator[Command]:
    new = _Maker(plan, host, plan.new(host))
    deploy = new.on_host.deploy
    yield new.own(HostStep.UNPACK, unpack_script(plan, deploy))
    if plan.settings_of is not None:
        yield new.own(HostStep.SETTINGS, _take_over_settings(plan.settings_of, plan.deployment))
    if deploy.prepare:
        yield new.framed(
            HostStep.PREPARE, _prepare_script(plan.release, deploy, fill_command(deploy.prepare, new.values))
        )


def _once(plan: Plan, host: HostPlan) -> Iterator[Command]:
    if plan.deploy.once and not plan.rollback and host is plan.hosts[0]:
        yield _Maker(plan, host, plan.new(host)).user(HostStep.ONCE, plan.deploy.once.run)


def _switch(plan: Plan, host: HostPlan) -> Iterator[Command]:
    new, before = _Maker(plan, host, plan.new(host)), plan.running(host)
    running = _Maker(plan, host, before) if before else None
    if running:
        yield from _drain(running, Way.FORWARD)
    # A person's rollback goes forward through the hosts, but back in releases.
    if plan.rollback:
        yield from _run_back(new, Way.FORWARD)
    elif new.on_host.deploy.run:
        yield new.user(HostStep.RUN, new.on_host.deploy.run)
    yield from _exchange(running, new, Way.FORWARD)


def _undrain(plan: Plan, host: HostPlan) -> Iterator[Command]:
    yield from _readmitted(_Maker(plan, host, plan.new(host)), Way.FORWARD)


def _back(plan: Plan, host: HostPlan) -> Iterator[Command]:
    new, before = _Maker(plan, host, plan.new(host)), plan.old(host)
    yield from _drain(new, Way.BACK)
    if before is None:
        yield new.own(HostStep.SWITCH, _remove_script(), way=Way.BACK)
        for process in new.on_host.processes:
            if process.deactivate:
                yield new.user(HostStep.DEACTIVATE, process.deactivate, process, Way.BACK)
        return
    old = _Maker(plan, host, before)
    yield from _run_back(old, Way.BACK)
    yield from _exchange(new, old, Way.BACK)


def _readmit(plan: Plan, host: HostPlan) -> Iterator[Command]:
    new, before = _Maker(plan, host, plan.new(host)), plan.old(host)
    # Its line in the journal says that the way back came to its end here: whoever comes without a database asks.
    end = new.own(HostStep.FINISH, ":", way=Way.BACK)
    if before is None:
        yield end
        return
    old = _Maker(plan, host, before)
    yield from _readmitted(old, Way.BACK)
    yield end
    for process in _gone(new.on_host, before):
        stop = StepName(HostStep.DEACTIVATE, Way.BACK, process.name)
        told = f"{process.name} of {plan.release} could not be stopped: see {stop}"
        script = (
            f'[ ! -e "$HEADWAY_EPOCH/{_not_stopped(process)}" ] || {{ echo {shlex.quote(told)}; exit 1; }}'
        )
        yield old.own(HostStep.STOPPED, script, process, Way.BACK)


def _exchange(leaves: _Maker | None, comes: _Maker, way: Way) -> Iterator[Command]:
    """`current` is the release that comes; processes that it does not have are stopped, its own are activated."""
    release, deployment = comes.on_host.release, comes.on_host.deployment
    yield comes.own(HostStep.SWITCH, _switch_script(release, deployment), way=way)
    for process in _gone(leaves.on_host, comes.on_host) if leaves else ():
        assert leaves is not None
        stop = _stop(leaves, process, way)
        # On the way back what should serve again does not wait for it; it is told once that serves.
        left = f': > "$HEADWAY_EPOCH/{_not_stopped(process)}"'
        yield _tried(stop, left) if way is Way.BACK else stop
    yield from _activate(comes, way)


def _drain(maker: _Maker, way: Way) -> Iterator[Command]:
    """A host that does not drain fails; on the way back it goes on, because what runs there is bad anyway."""
    for process in maker.on_host.processes:
        if (drain := process.drain) is None:
            continue
        run = fill_command(drain.run, maker.values)
        until = fill_command(drain.until, maker.values) if drain.until else None
        script = _drain_script(run, until, drain.within)
        drained = maker.framed(HostStep.DRAIN, script, process, way, more=drain.within)
        going_on = "echo 'not drained, going on: it is being taken back'"
        yield _tried(drained, going_on) if way is Way.BACK else drained


def _activate(maker: _Maker, way: Way) -> Iterator[Command]:
    for process in maker.on_host.processes:
        if process.activate:
            yield maker.user(HostStep.ACTIVATE, process.activate, process, way)


def _readmitted(maker: _Maker, way: Way) -> Iterator[Command]:
    for process in maker.on_host.processes:
        if process.undrain:
            yield maker.user(HostStep.UNDRAIN, process.undrain, process, way)


def _run_back(old: _Maker, way: Way) -> Iterator[Command]:
    """Of kind `script` alone: no other has a command to run."""
    if text := old.on_host.deploy.rollback or old.on_host.deploy.run:
        yield old.user(HostStep.RUN, text, way=way)


def _gone(left: ReleaseOnHost, comes: ReleaseOnHost) -> list[ProcessSpec]:
    """Processes that run on this host by the file of the release that is left, and not by that of the one that comes."""
    stay = {process.name for process in comes.processes}
    return [process for process in left.processes if process.name not in stay]


def _stop(maker: _Maker, process: ProcessSpec, way: Way) -> Command:
    if process.deactivate:
        return maker.user(HostStep.DEACTIVATE, process.deactivate, process, way)
    told = f"{process.name} is no longer a process of this host, and no `deactivate` of it says how it stops: it is left"
    return maker.own(HostStep.DEACTIVATE, f"echo {shlex.quote(told)}", process, way)


def _tried(command: Command, otherwise: str) -> Command:
    """The command, whose failing ends nothing: `otherwise` is done then. It is ended on the host at its own limit, so
    that one which hangs does not take what comes after it along. Each of the two has a process group of its own."""
    limit, stop = (max(1, round(one.total_seconds())) for one in (command.limit, command.stop_within))
    guard = (
        f'sleep {limit}; echo "{command.step} took longer than its limit of {limit}s and is ended"; '
        f'kill -s TERM -- "-$1"; sleep {stop}; kill -s KILL -- "-$1"'
    )
    script = f"""\
setsid sh -eu -c {shlex.quote(command.script)} & run=$!
setsid sh -c {shlex.quote(guard)} guard "$run" & guard=$!
code=0; wait "$run" || code=$?
kill -s KILL "$guard" 2>/dev/null || :; kill -s KILL -- "-$guard" 2>/dev/null || :
[ "$code" = 0 ] || {otherwise}"""
    return replace(command, script=script, limit=command.limit + command.stop_within + timedelta(seconds=10))


def _not_stopped(process: ProcessSpec) -> str:
    return f"not-stopped-{process.name}"


def _drain_script(run: str, until: str | None, within: timedelta) -> str:
    if until is None:
        return run
    limit = max(1, round(within.total_seconds()))
    return f"""\
sh -eu -c {shlex.quote(run)}
read -r now rest < /proc/uptime
end=$((${{now%.*}} + {limit}))
until sh -eu -c {shlex.quote(until)}; do
  read -r now rest < /proc/uptime
  if [ "${{now%.*}}" -ge "$end" ]; then echo "not drained within {limit}s"; exit 1; fi
  sleep 0.2 2>/dev/null || sleep 1
done"""


def _switch_script(release: str, deployment: str) -> str:
    # A link that leads nowhere would stop what still runs.
    return f"""\
if [ ! -d "$HEADWAY_ROOT/{release_directory(release)}" ]; then echo "{release} is gone from this host"; exit 1; fi
rm -f "$HEADWAY_EPOCH/settings" "$HEADWAY_EPOCH/current"
ln -s {deployment}.env "$HEADWAY_EPOCH/settings"
ln -s {release_directory(release)} "$HEADWAY_EPOCH/current"
mv -T "$HEADWAY_EPOCH/settings" "$HEADWAY_ROOT/settings/current.env"
mv -T "$HEADWAY_EPOCH/current" "$HEADWAY_ROOT/current\""""


def _remove_script() -> str:
    return """\
if [ -L "$HEADWAY_ROOT/current" ]; then mv -T "$HEADWAY_ROOT/current" "$HEADWAY_EPOCH/removed"; fi
if [ -L "$HEADWAY_ROOT/settings/current.env" ]; then
  mv -T "$HEADWAY_ROOT/settings/current.env" "$HEADWAY_EPOCH/removed"
fi"""


def _take_over_settings(old: str, new: str) -> str:
    return f"""\
cd "$HEADWAY_ROOT/settings"
if [ -f {old}.env ]; then
  (umask 077 && cat {old}.env > "$HEADWAY_EPOCH/settings.env")
  mv -T "$HEADWAY_EPOCH/settings.env" {new}.env
else
  echo "the settings of {old} are no longer here: those of today are used"
fi"""


def prepare_mark(deploy: DeploySpec) -> str:
    """What a host remembers of the `prepare` that was run in a release's directory."""
    return hashlib.sha256((deploy.prepare or "").encode()).hexdigest()[:16]


def _prepare_script(release: str, deploy: DeploySpec, text: str) -> str:
    """Once per release's directory, whichever deployment comes: going back to one that stands there costs nothing."""
    mark = prepare_mark(deploy)
    marker = prepared_marker(release)
    return f"""\
if [ "$(cat "$HEADWAY_ROOT/{marker}" 2>/dev/null)" = {mark} ]; then
  echo "this release was prepared before"; exit 0
fi
sh -eu -c {shlex.quote(text)}
{after_prepare(release)}
echo {mark} > "$HEADWAY_EPOCH/prepared"
mv -T "$HEADWAY_EPOCH/prepared" "$HEADWAY_ROOT/{marker}\""""


_MADE: Mapping[Group, Callable[[Plan, HostPlan], Iterator[Command]]] = {
    Group.VERIFY: _verify,
    Group.PREPARE: _prepare,
    Group.ONCE: _once,
    Group.SWITCH: _switch,
    Group.UNDRAIN: _undrain,
    Group.BACK: _back,
    Group.READMIT: _readmit,
}
