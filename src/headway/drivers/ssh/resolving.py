"""How a host of headway.toml is reached: by the person's ssh config, through which other hosts, known by which keys.

The host's own words (user, port) win over the ssh config, and the address is what the config's `Host` patterns are
matched with. What the config says is OpenSSH's own answer (`openssh_config`); what asyncssh makes of it are `options`.
An option that would strengthen a check that we cannot make is refused.
"""

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from headway.domain.contract import HostSpec
from headway.drivers.ssh.errors import ChangedHostKey, HostKeyError, SshConfigFault, UnknownHostKey
from headway.drivers.ssh.known_hosts import (
    DEFAULT_PORT,
    KnownKey,
    KnownKeys,
    fingerprint,
    host_pattern,
    read_known_keys,
    read_lines,
    stamps,
)
from headway.drivers.ssh.openssh_config import HostConfig, OpenSshConfig
from headway.drivers.ssh.options import KeyFiles, options_for
from headway.drivers.ssh.settings import SshSettings
from headway.drivers.ssh.trimmed import asyncssh

_JUMP = re.compile(
    r"(?:ssh://)?(?:(?P<user>[^@]+)@)?(?P<host>\[[^\]]+\]|[^:@\[\]]+)(?::(?P<port>\d+))?/?", re.ASCII
)


@dataclass(frozen=True)
class Target:
    """One end to connect to, with all that the ssh config says of it."""

    #: The name to speak of it.
    name: str
    address: str
    port: int
    user: str
    #: Through which hosts, nearest first.
    jumps: tuple[HostSpec, ...]
    known_hosts: tuple[Path, ...]
    #: The name and port under which its key is recorded.
    key_name: str
    key_port: int
    #: Those files as they were when they were read.
    known_stamps: tuple[object, ...]
    options: asyncssh.SSHClientConnectionOptions

    @property
    def place(self) -> str:
        return f"{self.user}@{self.address}:{self.port}"

    @property
    def pattern(self) -> str:
        return host_pattern(self.key_name, self.key_port)

    def known_keys(self, presented: bytes) -> KnownKeys:
        """What the files say now, read anew: for the words of a refusal."""
        lines = (line for path in self.known_hosts for line in read_lines(path))
        return read_known_keys(lines, self.key_name, self.key_port, presented)

    def trusts(self, presented: bytes) -> bool:
        """Whether the files name this key now. One that a certificate vouched for is asked for anew."""
        keys = self.known_keys(presented)
        revoked = {key.blob for key in keys.revoked}
        return presented not in revoked and any(key.blob == presented for key in keys.trusted)


@dataclass(frozen=True)
class Way:
    """How a host is reached: behind which other one, if any."""

    target: Target
    #: What names the connection, for all who need it.
    key: tuple[object, ...]
    behind: "Way | None" = None


def host_key(host: HostSpec) -> tuple[object, ...]:
    """What names the connection to a host that is reached as its own configuration says."""
    return host.address, host.port, host.user


class Resolver:
    """Asks what the ssh config says, and reads key files and known_hosts once, however many hosts there are, and anew when
    they have changed: a server lives long."""

    def __init__(self, settings: SshSettings) -> None:
        self._settings = settings
        self._config = OpenSshConfig(settings)
        self._key_files = KeyFiles()
        #: By path, with the stamp of the file they were read from.
        self._lines: dict[Path, tuple[object, list[tuple[str, KnownKey]]]] = {}

    async def way(self, host: HostSpec) -> Way:
        """The whole way to a host, known before the first connection of it is made.

        Raises SshConfigFault for a config, key file or jump that cannot be used, and for a way that leads back to itself.
        """
        return await self._way(host, ())

    async def _way(self, host: HostSpec, before: tuple[HostSpec, ...]) -> Way:
        if len(before) > _MOST_JUMPS or any(host_key(one) == host_key(host) for one in before):
            raise SshConfigFault(f"{_through(before, host)}: that never arrives", hint=_NO_JUMP)
        try:
            target = await self.resolve(host)
        except SshConfigFault as fault:
            if not before:
                raise
            raise SshConfigFault(f"{_through(before, host)}: {fault.message}", hint=_NO_JUMP) from fault
        way = None
        if target.jumps:
            first, *others = target.jumps
            way = await self._way(first, (*before, host))
            for jump in others:
                # The list says how it is reached, whatever its own configuration says.
                key = (way.key, jump.address, jump.port, jump.user)
                way = Way(await self.resolve(jump), key, way)
        return Way(target, host_key(host), way)

    async def resolve(self, host: HostSpec) -> Target:
        """What the ssh config makes of a host. Raises SshConfigFault for a config, key file or jump that cannot be used."""
        config = await self._config.of(host.address, host.port, host.user)
        try:
            return self._target(host, config)
        except (OSError, ValueError, asyncssh.KeyImportError) as error:
            raise SshConfigFault(
                f"{host.name} cannot be connected to with this ssh configuration: {error}"
            ) from error

    def _target(self, host: HostSpec, config: HostConfig) -> Target:
        _refuse(config, host)
        address, number = config.address, config.port
        key_name = config.word("hostkeyalias") or address
        files = _known_hosts_files(config)
        # Before they are read: what changes meanwhile is looked at again.
        known_stamps = stamps(files)
        # An alias stands alone in known_hosts, without the port.
        key_port = number if key_name == address else DEFAULT_PORT
        keys = read_known_keys(self._known_hosts(files), key_name, key_port)
        return Target(
            name=host.name,
            address=address,
            port=number,
            user=config.user,
            jumps=_jumps(config, host),
            known_hosts=files,
            key_name=key_name,
            key_port=key_port,
            known_stamps=known_stamps,
            options=options_for(config, self._settings, self._key_files, keys),
        )

    def _known_hosts(self, paths: Iterable[Path]) -> Iterable[tuple[str, KnownKey]]:
        for path in paths:
            stamp = stamps((path,))
            if path not in self._lines or self._lines[path][0] != stamp:
                self._lines[path] = stamp, list(read_lines(path))
            yield from self._lines[path][1]


_MOST_JUMPS = 8
_NO_JUMP = "a `ProxyJump` under `Host *` holds for the jump host, too: write `Host` and its name with `ProxyJump none` above it"


def _through(before: Sequence[HostSpec], last: HostSpec) -> str:
    first, *others = [*(host.name for host in before), last.name]
    return f"{first} is reached through {', that through '.join(others)}"


def _refuse(config: HostConfig, host: HostSpec) -> None:
    """What we cannot do as the config wants it: better none than less safe."""
    revoked = config.word("revokedhostkeys")
    if revoked is not None:
        raise SshConfigFault(
            f"the ssh config names RevokedHostKeys {revoked} for {host.name}, which Headway does not read",
            hint="write such keys with @revoked into known_hosts",
        )
    if config.word("proxyusefdpass") == "yes" and config.word("proxycommand"):
        raise SshConfigFault(
            f"ProxyUseFdpass of {host.name} is not supported", hint="use a ProxyCommand that copies bytes"
        )


def _known_hosts_files(config: HostConfig) -> tuple[Path, ...]:
    """In the order in which they are read; the first is where a new key is written."""
    written = config.written("userknownhostsfile")
    own = _paths(config, written[0]) if written else []
    own = own or [config.home / ".ssh" / "known_hosts", config.home / ".ssh" / "known_hosts2"]
    machine = config.options.get("globalknownhostsfile") or (
        "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2",
    )
    return (*own, *_paths(config, machine[0]))


def _paths(config: HostConfig, text: str) -> list[Path]:
    """Several files in one line. `ssh -G` leaves their quotes out, so words that together name a file are one."""
    words, found = text.split(" "), []
    while words:
        most = next(
            (n for n in range(len(words), 1, -1) if config.plain_path(" ".join(words[:n])).is_file()), 1
        )
        name, words = " ".join(words[:most]), words[most:]
        if name and name.lower() != "none":
            found.append(config.plain_path(name))
    return found


def _jumps(config: HostConfig, host: HostSpec) -> tuple[HostSpec, ...]:
    named = config.word("proxyjump")
    if named is None:
        return ()
    jumps = []
    for text in config.with_tokens(named).split(","):
        match = _JUMP.fullmatch(text.strip())
        if match is None:
            raise SshConfigFault(f"ProxyJump '{text}' of {host.name} is not [user@]host[:port]")
        jump_host = match["host"].strip("[]")
        port = int(match["port"]) if match["port"] else None
        jumps.append(HostSpec(name=jump_host, address=jump_host, port=port, user=match["user"]))
    return tuple(jumps)


def refusal(target: Target, presented: asyncssh.SSHKey) -> HostKeyError:
    """Why a host's key is not trusted, and what to do about it."""
    blob = presented.public_data
    kind = presented.get_algorithm()
    shown = fingerprint(blob)
    keys = target.known_keys(blob)
    who = f"{target.name} ({target.address}:{target.port})"
    trust = _trust(target, presented)
    where = target.known_hosts[0]
    revoked = tuple(key for key in keys.revoked if key.blob == blob)
    if revoked:
        return ChangedHostKey(
            target.name,
            f"{who} showed the {kind} key {shown}, which is revoked in {revoked[0].place}",
            fingerprint=shown,
            recorded=(),
            places=tuple(key.place for key in revoked),
            hint="do not connect; ask whoever keeps this host which key is its own",
        )
    if keys.trusted:
        recorded = ", ".join(f"{key.fingerprint} ({key.algorithm}) in {key.place}" for key in keys.trusted)
        return ChangedHostKey(
            target.name,
            f"{who} showed the {kind} key {shown}, but another one is trusted: {recorded}",
            fingerprint=shown,
            recorded=tuple(key.fingerprint for key in keys.trusted),
            places=tuple(key.place for key in keys.trusted),
            hint="somebody may stand between, or the host was set up anew. Only if you know the new fingerprint"
            f" to be right: ssh-keygen -R {shlex.quote(target.pattern)} -f {shlex.quote(str(keys.trusted[0].path))}"
            f" && {trust}",
        )
    return UnknownHostKey(
        target.name,
        f"the {kind} key of {who} is not known: {shown}, not in {where}",
        fingerprint=shown,
        trust=trust,
        hint="compare the fingerprint with `ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub` on the host,"
        f" then trust exactly this key: {trust}",
    )


def _trust(target: Target, key: asyncssh.SSHKey) -> str:
    line = f"{target.pattern} {' '.join(key.export_public_key().decode().split()[:2])}"
    where = target.known_hosts[0]
    make = "" if where.parent.is_dir() else f"mkdir -p -m 700 {shlex.quote(str(where.parent))} && "
    return f"{make}echo {shlex.quote(line)} >> {shlex.quote(str(where))}"
