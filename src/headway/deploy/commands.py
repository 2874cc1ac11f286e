"""The commands of a deployment, composed from its plan and nothing else: dry run prints them, hosts run them.

Each command is one step of a job on a host. Its script is read by `sh -eu` in `directory` (relative to the
environment's root there), after `settings`, with $HEADWAY_ROOT and $HEADWAY_EPOCH (the owner's own directory) set.
What it puts in place it builds in $HEADWAY_EPOCH and then renames: the rename fails once another owner has come.
"""

import hashlib
import shlex
from collections.abc import Iterator, Mapping
from datetime import timedelta
from enum import StrEnum
from itertools import accumulate

from headway.deploy.layout import (
    archive_kind,
    prepared_marker,
    release_directory,
    settings_file,
    upload_path,
)
from headway.deploy.placeholders import Values, fill_command
from headway.deploy.plan import HostPlan, Plan
from headway.domain.contract import DeployKind, Drain, ProcessSpec
from headway.domain.deployment import Command


class Group(StrEnum):
    """The commands of a group run on a host one after the other, as one job."""

    PREPARE = "prepare"
    ONCE = "once"
    SWITCH = "switch"
    UNDRAIN = "undrain"
    BACK = "back"
    READMIT = "readmit"


def commands(plan: Plan, host: HostPlan, group: Group, *, switched: bool = True) -> tuple[Command, ...]:
    """`switched`: for the way back, whether the host's switch was done at all (if not, it needs no way back)."""
    match group:
        case Group.PREPARE:
            return tuple(_prepare(plan, host))
        case Group.ONCE:
            return tuple(_once(plan, host))
        case Group.SWITCH:
            return tuple(_switch(plan, host))
        case Group.UNDRAIN:
            return tuple(_undrain(plan, host))
        case Group.BACK:
            return tuple(_back(plan, host)) if switched else ()
        case Group.READMIT:
            return tuple(_readmit(plan, host))


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
    yield new.own("unpack", _unpack_script(plan))
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
echo {mark} > "$HEADWAY_EPOCH/prepared"
mv -T "$HEADWAY_EPOCH/prepared" "$HEADWAY_ROOT/{marker}\""""


def _unpack_script(plan: Plan) -> str:
    """The release's directory, whole or absent: built in the owner's own directory, then renamed."""
    directory = release_directory(plan.release)
    keep = f'[ -d "$HEADWAY_ROOT/{directory}" ]'
    if plan.artifact is None and plan.deploy.kind is DeployKind.FILES:
        return f'{keep} || {{ echo "{plan.release} is not on this host, and there is nothing to bring"; exit 1; }}'
    lines = [
        f"if {keep}; then",
        f'  echo "{plan.release} stands here already"; exit 0',
        "fi",
    ]
    if plan.deploy.prepare:
        # What a `prepare` left half-done is not built upon, unless it is what serves.
        lines[:0] = [
            f'if [ ! -f "$HEADWAY_ROOT/{prepared_marker(plan.release)}" ] && {keep} &&',
            f'   [ "$(readlink "$HEADWAY_ROOT/current")" != {directory} ]; then',
            '  rm -rf "$HEADWAY_EPOCH/old"',
            f'  mv -T "$HEADWAY_ROOT/{directory}" "$HEADWAY_EPOCH/old"; rm -rf "$HEADWAY_EPOCH/old"',
            "fi",
        ]
    lines += [
        'new=$HEADWAY_EPOCH/unpack; rm -rf "$new"; mkdir "$new"',
        *_lay(plan),
        *(line for path in plan.deploy.shared for line in _share(path)),
        f'mv -T "$new" "$HEADWAY_ROOT/{directory}"',
    ]
    if plan.artifact:
        lines.append(f'rm -f "$HEADWAY_ROOT/{upload_path(plan.artifact.sha256, plan.artifact.path)}"')
    return "\n".join(lines)


def _lay(plan: Plan) -> Iterator[str]:
    artifact = plan.artifact
    if artifact is None:
        return
    source = f'"$HEADWAY_ROOT/{upload_path(artifact.sha256, artifact.path)}"'
    match archive_kind(artifact.path):
        case ".tar.gz" | ".tgz":
            yield f'tar -xzof {source} -C "$new"'
        case ".tar":
            yield f'tar -xof {source} -C "$new"'
        case ".zip":
            yield 'command -v unzip >/dev/null || { echo "unzip is missing on this host"; exit 1; }'
            yield f'unzip -q {source} -d "$new"'
        case _:
            name = shlex.quote(artifact.path.rpartition("/")[2])
            yield f'cp {source} "$new"/{name}'
            yield f'chmod {"755" if artifact.executable else "644"} "$new"/{name}'


def _share(path: str) -> Iterator[str]:
    """Links `path` in the release to what outlives releases; the first release's own content is where it begins."""
    clean = path.strip("/")
    word = shlex.quote(clean)
    parent, _, _ = clean.rpartition("/")
    up = "../" * (2 + clean.count("/"))
    shared = f'"$HEADWAY_ROOT"/shared/{word}'
    for folder in accumulate(parent.split("/") if parent else (), "{}/{}".format):
        # What is done below would be done wherever the link leads.
        link = shlex.quote(folder)
        yield f'if [ -L "$new"/{link} ]; then echo {shlex.quote(f"{clean} is shared, but {folder} is a link in the artifact")}; exit 1; fi'
    if parent:
        yield f'mkdir -p "$new"/{shlex.quote(parent)} "$HEADWAY_ROOT"/shared/{shlex.quote(parent)}'
    yield f"if [ ! -e {shared} ]; then"
    yield f'  if [ -e "$new"/{word} ]; then mv -T "$new"/{word} {shared}; else mkdir -p {shared}; fi'
    yield "fi"
    yield f'rm -rf "$new"/{word}; ln -s {shlex.quote(up + "shared/" + clean)} "$new"/{word}'
