"""What was decided when a deployment began: stored with it as JSON, so that whoever goes on with it needs no file.

Holds no secret: of each setting only its name and a fingerprint, salted anew in each plan.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace

from headway.base.plain import from_plain, to_plain
from headway.deploy.placeholders import Values
from headway.domain.contract import DeploySpec, EnvironmentSpec, HostSpec, ProcessSpec
from headway.domain.release import Artifact

#: Slow on purpose: whoever reads the database should not guess a short secret from its fingerprint.
_ROUNDS = 20_000


@dataclass(frozen=True, slots=True)
class Predecessor:
    """A release that a host had when the deployment began."""

    release: str
    commit: str
    deployment: str
    #: Which of the plan's `files` is its own; None when nobody knows it any more, then the plan's `deploy` stands for it.
    file: int | None = None
    #: Names of the processes that its own file has on this host.
    processes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HostPlan:
    spec: HostSpec
    batch: int
    #: Names of the processes that run here, in the order of the file.
    processes: tuple[str, ...]
    #: Absolute, or relative to the home of the user that SSH signs in as.
    root: str
    #: What it goes back to: what was finished there last.
    predecessor: Predecessor | None = None
    #: What runs there, where that is another one: a deployment was left half-way.
    running: Predecessor | None = None
    #: Which of the plan's `files` says how the plan's release is run here; None: the plan's `deploy`.
    file: int | None = None


@dataclass(frozen=True, slots=True)
class ReleaseOnHost:
    """A release on a host: under which deployment's settings it stands there, and what its own file says of it."""

    release: str
    deployment: str
    deploy: DeploySpec
    #: Those that run on this host, in the order of the file.
    processes: tuple[ProcessSpec, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    service: str
    environment: EnvironmentSpec
    release: str
    commit: str
    deployment: str
    requested_by: str
    deploy: DeploySpec
    #: In the order of their switch.
    hosts: tuple[HostPlan, ...]
    artifact: Artifact | None = None
    #: Going back to an older release: the deployment whose settings are taken over, if a host still has them.
    settings_of: str | None = None
    #: `rollback`: no `once`, and a failing host is told, not taken to the newer release again.
    rollback: bool = False
    salt: str = ""
    #: Setting -> fingerprint, environment and secrets alike.
    fingerprints: Mapping[str, str] | None = None
    #: The service's, whose secrets the environment may name.
    team: str | None = None
    #: Names of secrets that what ran before may print, besides those of the environment.
    masked: tuple[str, ...] = ()
    #: What the own files of other releases say, each once: every command belongs to the file of its release.
    files: tuple[DeploySpec, ...] = ()
    #: Hosts of the environment that a person left out; they are in no batch.
    without: tuple[str, ...] = ()
    #: The owner's number on the hosts under which it began; 0: an older version did not keep it.
    epoch: int = 0

    def host(self, name: str) -> HostPlan:
        return next(host for host in self.hosts if host.spec.name == name)

    def new(self, host: HostPlan) -> ReleaseOnHost:
        """The plan's release on this host."""
        return self._on_host(self.release, self.deployment, host.file, host.processes)

    def old(self, host: HostPlan) -> ReleaseOnHost | None:
        """What this host goes back to."""
        return self._before(host, host.predecessor)

    def running(self, host: HostPlan) -> ReleaseOnHost | None:
        """What runs on this host until the switch."""
        return self._before(host, host.running or host.predecessor)

    def _before(self, host: HostPlan, before: Predecessor | None) -> ReleaseOnHost | None:
        if before is None:
            return None
        names = host.processes if before.file is None else before.processes
        return self._on_host(before.release, before.deployment, before.file, names)

    def _on_host(
        self, release: str, deployment: str, file: int | None, names: tuple[str, ...]
    ) -> ReleaseOnHost:
        deploy = self.deploy if file is None else self.files[file]
        return ReleaseOnHost(
            release, deployment, deploy, tuple(p for p in deploy.processes if p.name in names)
        )

    def values(self, host: HostPlan, release: str) -> Values:
        """What the placeholders stand for on this host, in the commands of this release."""
        return Values(
            host=host.spec.name,
            address=host.spec.address,
            release=release,
            service=self.service,
            environment=self.environment.name,
            labels=host.spec.labels,
        )


def fingerprint(plan: Plan, settings: Mapping[str, str]) -> Plan:
    """The plan with the fingerprints of `settings` (environment and secrets, by name)."""
    salt = plan.salt or secrets.token_hex(16)
    return replace(
        plan, salt=salt, fingerprints={name: _digest(salt, value) for name, value in settings.items()}
    )


def differences(before: Plan, after: Plan, settings: Mapping[str, str]) -> tuple[str, ...]:
    """What changed since the plan before, a line each; `settings` are the present ones, compared by fingerprint."""
    lines = []
    known = before.fingerprints or {}
    for name in sorted({*known, *settings}):
        if name not in settings:
            lines.append(f"- {name}: no longer set")
        elif name not in known:
            lines.append(f"+ {name}: new")
        elif _digest(before.salt, settings[name]) != known[name]:
            lines.append(f"~ {name}: changed")
    old, new = to_plain(before.deploy), to_plain(after.deploy)
    assert isinstance(old, dict) and isinstance(new, dict)
    lines.extend(f"~ [deploy] {key}: changed" for key in new if old.get(key) != new[key])
    here, there = ({host.spec.name for host in plan.hosts} for plan in (after, before))
    lines.extend(f"+ host {name}" for name in sorted(here - there))
    lines.extend(f"- host {name}" for name in sorted(there - here))
    return tuple(lines)


def _digest(salt: str, value: str) -> str:
    return hashlib.pbkdf2_hmac("sha256", value.encode(), salt.encode(), _ROUNDS).hex()[:32]


def to_json(plan: Plan) -> str:
    return json.dumps(to_plain(plan), separators=(",", ":"))


def from_json(text: str) -> Plan:
    return from_plain(Plan, json.loads(text))
