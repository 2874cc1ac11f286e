"""`headway check --hosts`: what a deployment will need of each host, asked before one is made. Leaves nothing behind."""

import asyncio
import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from headway.base.durations import format_size
from headway.base.errors import HeadwayError
from headway.deploy.layout import root_of
from headway.deploy.placeholders import Values
from headway.domain.contract import Contract, DeployKind, EnvironmentSpec, HostSpec, ProcessSpec
from headway.domain.selection import select_hosts
from headway.drivers.ssh.connections import Connections
from headway.drivers.ssh.errors import AuthenticationRefused, HostKeyError, NoShell
from headway.drivers.ssh.framing import quote
from headway.engine.hosts.link import MOVE_AWAY, in_the_way
from headway.engine.settings import Settings

_TIMEOUT = 30.0
#: Somebody waits at a terminal.
_CONNECT_WITHIN = 8.0
#: Less than this is worth a word: a release is unpacked beside the ones that stand.
_LITTLE_SPACE = 512 * 2**20
_SUDO = re.compile(r"(?:^|[\s;&|(])sudo\s+(?:-n\s+)?(?P<command>[A-Za-z0-9_./-]+)")


@dataclass(frozen=True, slots=True)
class HostFinding:
    """One thing that was looked at on one host. `hint` says what to do when it is not ok."""

    host: str
    #: connection, key, account, shell, commands, root, current, space, sudo
    check: str
    ok: bool
    detail: str
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class _Need:
    """What one host has to offer, from all environments and processes that use it."""

    host: HostSpec
    roots: tuple[str, ...]
    sudo: tuple[str, ...]
    archives: tuple[str, ...]


async def check_hosts(
    contract: Contract, settings: Settings, environments: Sequence[str] | None = None
) -> list[HostFinding]:
    """Connects to every host of these environments (all, when None) and looks; host by host in headway.toml's order.

    Without environments or a `[deploy]` part every host is connected to. Nothing is raised for a host: what is
    wrong with it is a finding. Raises SshConfigFault and NoSuchHosts, which concern all.
    """
    needs = _needs(contract, environments)
    patience = dataclasses.replace(settings.ssh, connect_within=_CONNECT_WITHIN)
    async with Connections(patience) as connections:
        found = await asyncio.gather(*(_check(connections, need) for need in needs))
    return [finding for findings in found for finding in findings]


def _needs(contract: Contract, environments: Sequence[str] | None) -> list[_Need]:
    roots: dict[str, dict[str, None]] = {}
    commands: dict[str, list[str]] = {}
    for name, environment in contract.environments.items():
        if environments is not None and name not in environments:
            continue
        for process, host in _placed(contract, environment):
            roots.setdefault(host.name, {})
            if contract.deploy is not None:
                values = Values(host.name, host.address, "", contract.service.name, name, dict(host.labels))
                roots[host.name][root_of(contract.deploy, environment, values)] = None
            commands.setdefault(host.name, []).extend(_commands(contract, process))
    if environments is None:
        for host_name in contract.hosts:
            roots.setdefault(host_name, {})
    artifact = contract.deploy.artifact if contract.deploy else None
    archives = (
        (artifact,) if artifact and contract.deploy and contract.deploy.kind is DeployKind.FILES else ()
    )
    return [
        _Need(host, tuple(roots[name]), _sudo(commands.get(name, ())), archives)
        for name, host in contract.hosts.items()
        if name in roots
    ]


def _placed(
    contract: Contract, environment: EnvironmentSpec
) -> Iterable[tuple[ProcessSpec | None, HostSpec]]:
    processes = contract.deploy.processes if contract.deploy else ()
    for host in select_hosts(contract, environment.hosts):
        yield None, host
    for process in processes:
        selectors = environment.processes.get(process.name) or process.hosts or environment.hosts
        for host in select_hosts(contract, selectors):
            yield process, host


def _commands(contract: Contract, process: ProcessSpec | None) -> Iterable[str]:
    deploy = contract.deploy
    if deploy is None or process is None:
        return
    drain = process.drain
    once = deploy.once.run if deploy.once else None
    found = [deploy.prepare, deploy.run, deploy.rollback, once, process.activate, process.deactivate]
    found += [process.undrain, process.logs, drain.run if drain else None, drain.until if drain else None]
    yield from (text for text in found if text)


def _sudo(commands: Iterable[str]) -> tuple[str, ...]:
    """The programs that are started by sudo, each once."""
    return tuple(dict.fromkeys(match["command"] for text in commands for match in _SUDO.finditer(text)))


async def _check(connections: Connections, need: _Need) -> list[HostFinding]:
    name = need.host.name
    try:
        session = await connections.session(need.host)
        reply = await session.call(_script(need), timeout=_TIMEOUT)
    except HostKeyError as error:
        return [HostFinding(name, "key", False, error.message, error.hint)]
    except AuthenticationRefused as error:
        return [HostFinding(name, "account", False, error.message, error.hint)]
    except NoShell as error:
        return [HostFinding(name, "shell", False, error.message, error.hint)]
    except HeadwayError as error:
        return [HostFinding(name, "connection", False, error.message, error.hint)]
    return [*_read(need, reply.text)]


# Every line is `WORD REST`. `root` looks at the nearest folder that is there already, and makes nothing.
_SCRIPT = r"""
LC_ALL=C; export LC_ALL
echo "user $(id -un 2>/dev/null || echo '?')"
for tool in setsid mkfifo tar gzip mkdir mv ln cat rm chmod df readlink sleep kill; do command -v "$tool" >/dev/null 2>&1 || echo "missing $tool"; done
if command -v sha256sum >/dev/null 2>&1 || command -v shasum >/dev/null 2>&1 || command -v openssl >/dev/null 2>&1 || { command -v busybox >/dev/null 2>&1 && busybox sha256sum </dev/null >/dev/null 2>&1; }; then :; else echo "missing sha256sum"; fi
[ -r /proc/self/stat ] || echo "missing /proc"
base=${TMPDIR:-/tmp}/headway-check.$$
if mkdir "$base" 2>/dev/null; then
  trap 'rm -rf -- "$base"' EXIT
  mkdir "$base/a"; ln -s a "$base/old"; ln -s a "$base/new"
  mv -T "$base/new" "$base/old" 2>/dev/null && [ -L "$base/old" ] && [ ! -e "$base/new" ] && [ ! -L "$base/new" ] || echo "missing mv -T"
  mkfifo "$base/fifo" 2>/dev/null || echo "missing mkfifo"
else echo "missing a writable ${TMPDIR:-/tmp}"; fi
root() {
  at=$2
  case $at in /*) ;; *) at=$HOME/$at ;; esac
  whole=$at
  while [ ! -e "$at" ] && [ -n "$at" ]; do at=${at%/*}; done
  at=${at:-/}
  if [ ! -d "$at" ]; then echo "root no $1 $at is not a folder"
  elif [ ! -w "$at" ] || [ ! -x "$at" ]; then echo "root no $1 $at cannot be written by $(id -un 2>/dev/null)"
  elif [ "$at" = "$whole" ]; then echo "root yes $1 is there and can be written"
  else echo "root yes $1 can be made in $at"; fi
  for link in current settings/current.env; do
    if [ -e "$whole/$link" ] && [ ! -L "$whole/$link" ]; then echo "link $1 $link"; fi
  done
  if [ -d "$whole/releases" ]; then at=$whole/releases; fi
  df -Pk -- "$at" 2>/dev/null | { read -r head; read -r a b c free rest; echo "space ${free:-?} $1"; }
}
"""


def _script(need: _Need) -> str:
    lines = [_SCRIPT]
    lines += [f"root {number} {quote(root)}" for number, root in enumerate(need.roots)]
    lines += [
        f"command -v {tool} >/dev/null 2>&1 || echo 'missing {tool}'" for tool in _unpackers(need.archives)
    ]
    for program in need.sudo:
        # -l asks whether the command is allowed, and runs nothing.
        lines.append(
            f"if sudo -n -l {quote(program)} >/dev/null 2>&1; then echo 'sudo yes {program}'; else echo 'sudo no {program}'; fi"
        )
    return "\n".join(lines)


def _unpackers(archives: Iterable[str]) -> list[str]:
    return ["unzip"] if any(path.endswith(".zip") for path in archives) else []


def _read(need: _Need, text: str) -> Iterable[HostFinding]:
    name = need.host.name
    said: dict[str, list[str]] = {}
    for line in text.splitlines():
        word, _, rest = line.partition(" ")
        said.setdefault(word, []).append(rest)
    user = said.get("user", ["?"])[0]
    yield HostFinding(name, "connection", True, f"signed in as {user}")
    missing = list(dict.fromkeys(said.get("missing", ())))
    yield HostFinding(
        name,
        "commands",
        not missing,
        f"not there: {', '.join(missing)}"
        if missing
        else "sh, setsid, mv -T, SHA-256, tar and the rest are there",
        "install coreutils, util-linux, tar and gzip (or busybox) there" if missing else None,
    )
    yield from _roots(need, user, said)
    yield from _sudo_findings(name, user, said)


def _roots(need: _Need, user: str, said: Mapping[str, Sequence[str]]) -> Iterable[HostFinding]:
    name = need.host.name
    for line in said.get("root", ()):
        answer, number, detail = line.split(" ", 2)
        root, ok = need.roots[int(number)], answer == "yes"
        hint = f"on the host: sudo install -d -o {user} {quote(root)}, or give [deploy] another root"
        yield HostFinding(name, "root", ok, f"{root}: {detail}", None if ok else hint)
    for line in said.get("link", ()):
        number, _, link = line.partition(" ")
        yield HostFinding(name, "current", False, in_the_way(need.roots[int(number)], link), MOVE_AWAY)
    for line in said.get("space", ()):
        free, _, number = line.partition(" ")
        if free.isdigit():
            size = int(free) * 1024
            enough = size >= _LITTLE_SPACE
            advice = None if enough else "make room there, or lower deploy.keep"
            detail = f"{format_size(size)} free for {need.roots[int(number)]}"
            yield HostFinding(name, "space", enough, detail, advice)


def _sudo_findings(name: str, user: str, said: Mapping[str, Sequence[str]]) -> Iterable[HostFinding]:
    for line in said.get("sudo", ()):
        answer, _, program = line.partition(" ")
        ok = answer == "yes"
        detail = f"sudo -n {program} is allowed" if ok else f"sudo -n {program} is not allowed for {user}"
        hint = None if ok else f"in /etc/sudoers.d/headway: {user} ALL=(root) NOPASSWD: /path/to/{program}"
        yield HostFinding(name, "sudo", ok, detail, hint)
