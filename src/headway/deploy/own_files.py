"""What a release's own headway.toml says of a host, as the host keeps it beside the settings: for whoever goes back to
that release, or away from it, and has no database that knows.

A host is believed for itself alone. What would run on Headway's own machine is never taken from one.
"""

import json
import re
import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from headway.base.plain import from_plain, to_plain
from headway.deploy.layout import own_file
from headway.deploy.plan import HostPlan, Plan, Predecessor, ReleaseOnHost
from headway.domain.contract import DeploySpec, HealthCheck, HealthFrom, ProcessSpec

#: Bytes of one file that are read.
_MOST = 1 << 18
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True, slots=True)
class OwnFile:
    """How a release is run on one host."""

    deploy: DeploySpec
    #: Names of the processes that run there.
    processes: tuple[str, ...]


def own_file_text(on_host: ReleaseOnHost) -> str:
    own = OwnFile(on_host.deploy, tuple(process.name for process in on_host.processes))
    return json.dumps(to_plain(own), separators=(",", ":")) + "\n"


def own_files_script(root: str, deployments: Iterable[str]) -> str:
    """Prints what a host keeps of these deployments, a line each; for `read_own_files`. `root` is absolute."""
    lines = [f"cd {shlex.quote(root)} || exit 0"]
    for deployment in sorted(deployments):
        path = shlex.quote(own_file(deployment))
        lines.append(
            f"if [ -f {path} ]; then printf '%s ' {shlex.quote(deployment)}; head -c {_MOST} {path} | head -n 1; echo; fi"
        )
    return "\n".join(lines)


def read_own_files(output: bytes, trusted: Collection[HealthCheck]) -> dict[str, OwnFile]:
    """By deployment. What cannot be read is left out.

    A check `from = "here"` would run on, or connect from, Headway's own machine: it stays only if it is one of
    `trusted`, the checks of the file at hand.
    """
    found = {}
    for line in output.decode("utf-8", "replace").splitlines():
        deployment, _, text = line.partition(" ")
        try:
            own = from_plain(OwnFile, json.loads(text))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            continue
        if all(_NAME.fullmatch(process.name) for process in own.deploy.processes):
            found[deployment] = replace(own, deploy=_harmless(own.deploy, trusted))
    return found


def checks_of(deploy: DeploySpec) -> list[HealthCheck]:
    return [check for process in deploy.processes for check in process.health]


def _harmless(deploy: DeploySpec, trusted: Collection[HealthCheck]) -> DeploySpec:
    def harmless(process: ProcessSpec) -> ProcessSpec:
        kept = tuple(one for one in process.health if one.source is not HealthFrom.HERE or one in trusted)
        return replace(process, health=kept)

    return replace(deploy, processes=tuple(harmless(process) for process in deploy.processes))


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of one host: what it goes back to, what runs there, and the own files of both and of the plan's
    release, as far as anybody knows them."""

    before: Predecessor | None
    running: Predecessor | None
    before_file: OwnFile | None = None
    running_file: OwnFile | None = None
    #: Only where the plan's `deploy` is not that of the plan's release.
    new_file: OwnFile | None = None


def with_own_files(plan: Plan, found: Mapping[str, Found], fallback: Mapping[str, OwnFile]) -> Plan:
    """The plan with what stands on each host and by which file that is run.

    `fallback` is the file at hand, by host: it stands for the file of what somebody left there and nobody knows.
    """
    files: list[DeploySpec] = []

    def place(own: OwnFile) -> int:
        if own.deploy not in files:
            files.append(own.deploy)
        return files.index(own.deploy)

    def host_plan(host: HostPlan) -> HostPlan:
        name = host.spec.name
        one = found.get(name)
        if one is None:
            return host
        if one.new_file is not None:
            host = replace(host, file=place(one.new_file), processes=one.new_file.processes)
        # A file that is the plan's own needs no place of its own.
        same = OwnFile(plan.deploy, host.processes)

        def named(before: Predecessor | None, own: OwnFile | None) -> Predecessor | None:
            own = own or fallback.get(name)
            if before is None or own is None or own == same:
                return before
            return replace(before, file=place(own), processes=own.processes)

        return replace(
            host,
            predecessor=named(one.before, one.before_file),
            running=named(one.running, one.running_file),
        )

    hosts: Sequence[HostPlan] = [host_plan(host) for host in plan.hosts]
    return replace(plan, hosts=tuple(hosts), files=tuple(files))
