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
from headway.deploy.unpacking import after_prepare, unpack_script, verify_script
from headway.domain.contract import DeploySpec, Drain, ProcessSpec
from headway.domain.deployment import Command

#: Its line in the journal says that the way back came to its end on this host: whoever comes without a database asks.
BACK_FINISH = "back-finish"


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
        new.user("", process.deactivate)
        for process in _gone(new.on_host, old)
        if process.deactivate is not None
    ]
    stops = [f"{_line(command)} || echo 'not stopped'" for command in gone]
    starts = [*_run_back(back), *_activate(back, "back-activate")]
    return "; ".join([*stops, " && ".join(map(_line, starts)) or ":"])


def again_by_hand(plan: Plan, host: HostPlan) -> str:
    """What follows the switch when a person goes back to this very deployment, from one that came after it."""
    new = _Maker(plan, host, plan.new(host))
    return " && ".join(map(_line, [*_run_back(new), *_activate(new, "activate")])) or ":"


def _line(command: Command) -> str:
    """A user's command with all that it finds when Headway runs it, in a shell of its own."""
    words = " ".join(f"{name}={shlex.quote(value)}" for name, value in command.env.items())
    return (
        f'(cd "$HEADWAY_ROOT/{command.directory}" && set -a && . "$HEADWAY_ROOT/{command.settings}" && set +a'
        f" && {words} sh -eu -c {shlex.quote(command.script)})"
    )


def _named(step: str, process: ProcessSpec) -> str:
    return step if process.name == "main" else f"{step}:{process.name}"


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

    def user(self, step: str, text: str, process: ProcessSpec | None = None) -> Command:
        """What the user wrote, in the release's directory, with its settings."""
        return self.framed(step, fill_command(text, self.values), process)

    def framed(
        self, step: str, script: str, process: ProcessSpec | None = None, *, more: timedelta = timedelta()
    ) -> Command:
        """A script of ours round what the user wrote; it may take `more` than a step may."""
        several = (process,) if process else self.on_host.deploy.processes
        stop = max((one.stop_within for one in several), default=STOP_GRACE)
        return Command(
            self.host,
            step,
            script,
            env={"HEADWAY_STOP_WITHIN": str(round(stop.total_seconds()))},
            limit=self.on_host.deploy.timeout + more,
            stop_within=stop,
            **self._place,
        )

    def own(self, step: str, script: str) -> Command:
        return Command(self.host, step, script, limit=self.on_host.deploy.timeout)

    def drain(self, step: str, process: ProcessSpec, drain: Drain, *, must: bool) -> Command:
        """`must`: a host that does not drain fails; on the way back it goes on, because what runs there is bad anyway."""
        script = _drain_script(
            fill_command(drain.run, self.values),
            fill_command(drain.until, self.values) if drain.until else None,
            drain.within,
        )
        drained = self.framed(step, script, process, more=drain.within)
        return drained if must else _tried(drained, "echo 'not drained, going on: it is being taken back'")


def _verify(plan: Plan, host: HostPlan) -> Iterator[Command]:
    new = _Maker(plan, host, plan.new(host))
    yield new.own("verify", verify_script(plan, new.on_host.deploy))


def _prepare(plan: Plan, host: HostPlan) -> Iterator[Command]:
    new = _Maker(plan, host, plan.new(host))
    deploy = new.on_host.deploy
    yield new.own("unpack", unpack_script(plan, deploy))
    if plan.settings_of is not None:
        yield new.own("settings", _take_over_settings(plan.settings_of, plan.deployment))
    if deploy.prepare:
        yield new.framed(
            "prepare", _prepare_script(plan.release, deploy, fill_command(deploy.prepare, new.values))
        )


def _once(plan: Plan, host: HostPlan) -> Iterator[Command]:
    if plan.deploy.once and not plan.rollback and host is plan.hosts[0]:
        yield _Maker(plan, host, plan.new(host)).user("once", plan.deploy.once.run)


def _switch(plan: Plan, host: HostPlan) -> Iterator[Command]:
    new, before = _Maker(plan, host, plan.new(host)), plan.running(host)
    running = _Maker(plan, host, before) if before else None
    if running:
        yield from _drain(running, "drain", must=True)
    # A person's rollback goes forward through the hosts, but back in releases.
    if plan.rollback:
        yield from _run_back(new, "run")
    elif new.on_host.deploy.run:
        yield new.user("run", new.on_host.deploy.run)
    yield new.own("switch", _switch_script(plan.release, plan.deployment))
    if running:
        for process in _gone(running.on_host, new.on_host):
            yield _stop(running, _named("deactivate", process), process)
    yield from _activate(new, "activate")


def _undrain(plan: Plan, host: HostPlan) -> Iterator[Command]:
    yield from _readmitted(_Maker(plan, host, plan.new(host)), "undrain")


def _back(plan: Plan, host: HostPlan) -> Iterator[Command]:
    new, before = _Maker(plan, host, plan.new(host)), plan.old(host)
    yield from _drain(new, "back-drain", must=False)
    if before is None:
        yield new.own("back-switch", _remove_script())
        for process in new.on_host.processes:
            if process.deactivate:
                yield new.user(_named("back-deactivate", process), process.deactivate, process)
        return
    old = _Maker(plan, host, before)
    yield from _run_back(old)
    yield old.own("back-switch", _switch_script(before.release, before.deployment))
    for process in _gone(new.on_host, before):
        stop = _stop(new, _named("back-deactivate", process), process)
        # What should serve again does not wait for it; it is told once that serves.
        yield _tried(stop, f': > "$HEADWAY_EPOCH/{_not_stopped(process)}"')
    yield from _activate(old, "back-activate")


def _readmit(plan: Plan, host: HostPlan) -> Iterator[Command]:
    end = _Maker(plan, host, plan.new(host)).own(BACK_FINISH, ":")
    if (before := plan.old(host)) is None:
        yield end
        return
    old = _Maker(plan, host, before)
    yield from _readmitted(old, "back-undrain")
    yield end
    for process in _gone(plan.new(host), before):
        told = f"{process.name} of {plan.release} could not be stopped: see back-deactivate:{process.name}"
        script = (
            f'[ ! -e "$HEADWAY_EPOCH/{_not_stopped(process)}" ] || {{ echo {shlex.quote(told)}; exit 1; }}'
        )
        yield old.own(_named("back-stopped", process), script)


def _drain(maker: _Maker, step: str, *, must: bool) -> Iterator[Command]:
    for process in maker.on_host.processes:
        if process.drain:
            yield maker.drain(_named(step, process), process, process.drain, must=must)


def _activate(maker: _Maker, step: str) -> Iterator[Command]:
    for process in maker.on_host.processes:
        if process.activate:
            yield maker.user(_named(step, process), process.activate, process)


def _readmitted(maker: _Maker, step: str) -> Iterator[Command]:
    for process in maker.on_host.processes:
        if process.undrain:
            yield maker.user(_named(step, process), process.undrain, process)


def _run_back(old: _Maker, step: str = "back-run") -> Iterator[Command]:
    """Of kind `script` alone: no other has a command to run."""
    if text := old.on_host.deploy.rollback or old.on_host.deploy.run:
        yield old.user(step, text)


def _gone(left: ReleaseOnHost, comes: ReleaseOnHost) -> list[ProcessSpec]:
    """Processes that run on this host by the file of the release that is left, and not by that of the one that comes."""
    stay = {process.name for process in comes.processes}
    return [process for process in left.processes if process.name not in stay]


def _stop(maker: _Maker, step: str, process: ProcessSpec) -> Command:
    if process.deactivate:
        return maker.user(step, process.deactivate, process)
    told = f"{process.name} is no longer a process of this host, and no `deactivate` of it says how it stops: it is left"
    return maker.own(step, f"echo {shlex.quote(told)}")


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
