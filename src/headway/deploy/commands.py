"""The commands of a deployment, composed from its plan and nothing else: dry run prints them, hosts run them.

Each command is one step of a job on a host. Its script is read by `sh -eu` in `directory` (relative to the
environment's root there), after `settings`, with $HEADWAY_ROOT and $HEADWAY_EPOCH (the owner's own directory) set.
What it puts in place it builds in $HEADWAY_EPOCH and then renames: the rename fails once another owner has come.
"""

import hashlib
import shlex
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from enum import StrEnum

from headway.deploy.layout import prepared_marker, release_directory, settings_file
from headway.deploy.placeholders import Values, fill_command
from headway.deploy.plan import HostPlan, Plan
from headway.deploy.unpacking import after_prepare, unpack_script, verify_script
from headway.domain.contract import DeployKind, Drain, ProcessSpec
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


def _named(step: str, process: ProcessSpec) -> str:
    return step if process.name == "main" else f"{step}:{process.name}"


class _Maker:
    """Commands of one host for one release: the new one going forward, the one before going back."""

    def __init__(self, plan: Plan, host: HostPlan, release: str, deployment: str) -> None:
        self.host = host.spec.name
        self.values: Values = plan.values(host, release)
        self.directory = release_directory(release)
        self.settings = settings_file(deployment)

    def user(self, step: str, text: str) -> Command:
        """What the user wrote, in the release's directory, with its settings."""
        return Command(
            self.host,
            step,
            fill_command(text, self.values),
            directory=self.directory,
            settings=self.settings,
        )

    def own(self, step: str, script: str) -> Command:
        return Command(self.host, step, script)

    def drain(self, step: str, drain: Drain, *, must: bool) -> Command:
        """`must`: a host that does not drain fails; on the way back it goes on, because what runs there is bad anyway."""
        script = _drain_script(
            fill_command(drain.run, self.values),
            fill_command(drain.until, self.values) if drain.until else None,
            drain.within,
        )
        if not must:
            script = (
                f"sh -eu -c {shlex.quote(script)} || echo 'not drained, going on: it is being taken back'"
            )
        return Command(self.host, step, script, directory=self.directory, settings=self.settings)


def _new(plan: Plan, host: HostPlan) -> _Maker:
    return _Maker(plan, host, plan.release, plan.deployment)


def _old(plan: Plan, host: HostPlan) -> _Maker | None:
    before = host.predecessor
    return _Maker(plan, host, before.release, before.deployment) if before else None


def _prepare(plan: Plan, host: HostPlan) -> Iterator[Command]:
    new = _new(plan, host)
    yield new.own("unpack", unpack_script(plan))
    if plan.settings_of is not None:
        yield new.own("settings", _take_over_settings(plan.settings_of, plan.deployment))
    if plan.deploy.prepare:
        script = _prepare_script(plan, fill_command(plan.deploy.prepare, new.values))
        yield Command(new.host, "prepare", script, directory=new.directory, settings=new.settings)


def _once(plan: Plan, host: HostPlan) -> Iterator[Command]:
    if plan.deploy.once and not plan.rollback and host is plan.hosts[0]:
        yield _new(plan, host).user("once", plan.deploy.once.run)


def _switch(plan: Plan, host: HostPlan) -> Iterator[Command]:
    new, old = _new(plan, host), _old(plan, host)
    processes = plan.processes(host)
    for process in processes:
        # What never ran here needs no draining.
        if process.drain and old:
            yield old.drain(_named("drain", process), process.drain, must=True)
    # A person's rollback goes forward through the hosts, but back in releases.
    text = (plan.deploy.rollback if plan.rollback else None) or plan.deploy.run
    if plan.deploy.kind is DeployKind.SCRIPT and text:
        yield new.user("run", text)
    yield new.own("switch", _switch_script(plan.release, plan.deployment))
    for process in processes:
        if process.activate:
            yield new.user(_named("activate", process), process.activate)


def _undrain(plan: Plan, host: HostPlan) -> Iterator[Command]:
    for process in plan.processes(host):
        if process.undrain:
            yield _new(plan, host).user(_named("undrain", process), process.undrain)


def _back(plan: Plan, host: HostPlan) -> Iterator[Command]:
    new, old = _new(plan, host), _old(plan, host)
    processes = plan.processes(host)
    for process in processes:
        if process.drain:
            yield new.drain(_named("back-drain", process), process.drain, must=False)
    if old is None:
        yield new.own("back-switch", _remove_script())
        for process in processes:
            if process.deactivate:
                yield new.user(_named("back-deactivate", process), process.deactivate)
        return
    if plan.deploy.kind is DeployKind.SCRIPT and (text := plan.deploy.rollback or plan.deploy.run):
        yield old.user("back-run", text)
    yield old.own("back-switch", _switch_script(old.values.release, host.predecessor.deployment))  # type: ignore[union-attr]
    for process in processes:
        if process.activate:
            yield old.user(_named("back-activate", process), process.activate)


def _readmit(plan: Plan, host: HostPlan) -> Iterator[Command]:
    if (old := _old(plan, host)) is None:
        return
    for process in plan.processes(host):
        if process.undrain:
            yield old.user(_named("back-undrain", process), process.undrain)


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
    return f"""\
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


def prepare_mark(plan: Plan) -> str:
    """What a host remembers of the `prepare` that was run in a release's directory."""
    return hashlib.sha256((plan.deploy.prepare or "").encode()).hexdigest()[:16]


def _prepare_script(plan: Plan, text: str) -> str:
    """Once per release's directory, whichever deployment comes: going back to one that stands there costs nothing."""
    mark = prepare_mark(plan)
    marker = prepared_marker(plan.release)
    return f"""\
if [ "$(cat "$HEADWAY_ROOT/{marker}" 2>/dev/null)" = {mark} ]; then
  echo "this release was prepared before"; exit 0
fi
sh -eu -c {shlex.quote(text)}
{after_prepare(plan.release)}
echo {mark} > "$HEADWAY_EPOCH/prepared"
mv -T "$HEADWAY_EPOCH/prepared" "$HEADWAY_ROOT/{marker}\""""


def _verify(plan: Plan, host: HostPlan) -> Iterator[Command]:
    yield _new(plan, host).own("verify", verify_script(plan))


_MADE: Mapping[Group, Callable[[Plan, HostPlan], Iterator[Command]]] = {
    Group.VERIFY: _verify,
    Group.PREPARE: _prepare,
    Group.ONCE: _once,
    Group.SWITCH: _switch,
    Group.UNDRAIN: _undrain,
    Group.BACK: _back,
    Group.READMIT: _readmit,
}
