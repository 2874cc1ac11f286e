"""From a host of headway.toml and the person's ssh config to what asyncssh needs to connect.

The host's own words (user, port) win over the ssh config, and the address is what the config's `Host`
patterns are matched with. What the config says is OpenSSH's own answer (`openssh_config`). Options that would weaken
or bend a command are not taken over: StrictHostKeyChecking, RemoteCommand, SetEnv, SendEnv, RequestTTY, ForwardAgent,
ForwardX11; those that would strengthen a check that we cannot make are refused.
"""

import os
import re
import shlex
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asyncssh.encryption import get_encryption_algs
from asyncssh.kex import get_kex_algs
from asyncssh.mac import get_mac_algs
from asyncssh.public_key import (
    get_certificate_algs,
    get_default_certificate_algs,
    get_default_public_key_algs,
    get_public_key_algs,
)

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
from headway.drivers.ssh.settings import SshSettings
from headway.drivers.ssh.trimmed import asyncssh

#: AES-GCM first: one pass for cipher and checksum, in hardware; 50 MB take a third less time than with chacha20.
CIPHERS = (
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "chacha20-poly1305@openssh.com",
    "aes128-ctr",
    "aes192-ctr",
    "aes256-ctr",
)
_DEFAULT_IDENTITIES = ("id_ed25519", "id_ecdsa", "id_rsa", "id_ed25519_sk", "id_ecdsa_sk")
#: Among OpenSSH's usual ones, and of no use any more.
_OLD_IDENTITIES = ("id_dsa", "id_xmss")
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
        #: By path, with the stamps of the files they were read from.
        self._keys: dict[Path, tuple[object, asyncssh.SSHKey | str | None]] = {}
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
        settings = self._settings
        _refuse(config, host)
        address, number = config.address, config.port
        key_name = config.word("hostkeyalias") or address
        files = _known_hosts_files(config)
        # Before they are read: what changes meanwhile is looked at again.
        known_stamps = stamps(files)
        # An alias stands alone in known_hosts, without the port.
        key_port = number if key_name == address else DEFAULT_PORT
        keys = read_known_keys(self._known_hosts(files), key_name, key_port)
        bind = config.word("bindaddress")
        options = asyncssh.SSHClientConnectionOptions(
            config=None,
            host=address,
            port=number,
            username=config.user,
            family=_FAMILIES.get(config.word("addressfamily") or "", socket.AF_UNSPEC),
            local_addr=(bind, 0) if bind else (),
            proxy_command=_proxy_command(config),
            agent_path=_agent(config, settings),
            **self._authentication(config),
            **_algorithms(config),
            known_hosts=_judge(keys),
            server_host_key_algs=_host_key_algorithms(keys, config),
            keepalive_interval=settings.keepalive,
            login_timeout=settings.attempt_timeout,
            connect_timeout=settings.attempt_timeout,
            **_FIXED,
        )
        return Target(
            name=host.name,
            address=address,
            port=number,
            user=options.username,
            jumps=_jumps(config, host),
            known_hosts=files,
            key_name=key_name,
            key_port=key_port,
            known_stamps=known_stamps,
            options=options,
        )

    def _authentication(self, config: HostConfig) -> dict[str, Any]:
        paths = _identities(config)
        loaded = [key for key in (self._key(path) for path in paths) if key is not None]
        certificates = [config.path(text) for text in config.options.get("certificatefile", ())]
        # An empty list would send asyncssh to its own usual places.
        found: dict[str, Any] = {
            "client_keys": loaded or (),
            "client_certs": [str(path) for path in certificates if path.is_file()],
            "ignore_encrypted": True,
            "agent_identities": None,
        }
        if config.word("identitiesonly") == "yes":
            publics = [f"{path}.pub" for path in paths if Path(f"{path}.pub").is_file()]
            found["agent_identities"] = publics or [str(path) for path in paths]
        return found

    def _key(self, path: Path) -> asyncssh.SSHKey | str | None:
        """A private key; by its path where a certificate belongs to it; None if a passphrase locks it."""
        stamp = stamps((path, Path(f"{path}-cert.pub"), Path(f"{path}.pub")))
        if path not in self._keys or self._keys[path][0] != stamp:
            key: asyncssh.SSHKey | str | None = str(path)
            if not Path(f"{path}-cert.pub").exists():
                try:
                    key = asyncssh.read_private_key(path)
                except asyncssh.KeyImportError as error:
                    # Only the text tells a key that a passphrase locks from one that is damaged.
                    # The agent may hold it; a public key in this place says which of the agent's keys to use.
                    if "assphrase" not in str(error) and not _is_public(path):
                        raise
                    key = None
            self._keys[path] = stamp, key
        return self._keys[path][1]

    def _known_hosts(self, paths: Iterable[Path]) -> Iterable[tuple[str, KnownKey]]:
        for path in paths:
            stamp = stamps((path,))
            if path not in self._lines or self._lines[path][0] != stamp:
                self._lines[path] = stamp, list(read_lines(path))
            yield from self._lines[path][1]


#: What holds for every host, whatever the ssh config says.
_FIXED: dict[str, Any] = {
    "compression_algs": ["none"],
    "pkcs11_provider": None,
    "host_based_auth": False,
    "tunnel": None,
    "command": None,
    "env": None,
    "send_env": None,
    "request_pty": False,
    "agent_forwarding": False,
    "x11_forwarding": False,
    "encoding": None,
    "gss_auth": False,
    "gss_kex": False,
    "password_auth": False,
    "kbdint_auth": False,
    "keepalive_count_max": 3,
}


_FAMILIES = {"inet": socket.AF_INET, "inet6": socket.AF_INET6}
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


def _proxy_command(config: HostConfig) -> tuple[str, ...] | None:
    """By the person's shell, as OpenSSH does it."""
    command = config.word("proxycommand")
    if command is None:
        return None
    return os.environ.get("SHELL") or "/bin/sh", "-c", f"exec {config.with_tokens(command)}"


def _agent(config: HostConfig, settings: SshSettings) -> str:
    """The socket of the agent; empty for none."""
    named = (config.options.get("identityagent") or ("SSH_AUTH_SOCK",))[0]
    if named.lower() == "none":
        return ""
    if named == "SSH_AUTH_SOCK":
        return settings.agent or ""
    if named.startswith("$") and not named.startswith("${"):
        return os.environ.get(named[1:], "")
    return str(config.plain_path(named))


def _is_public(path: Path) -> bool:
    try:
        asyncssh.read_public_key(path)
    except (OSError, ValueError, asyncssh.KeyImportError):
        return False
    return True


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


def _identities(config: HostConfig) -> list[Path]:
    """Key files that are there: those that the config names, else the usual ones."""
    named = config.written("identityfile")
    if named is None:
        named = config.usual.get("identityfile") or tuple(f"~/.ssh/{name}" for name in _DEFAULT_IDENTITIES)
        named = tuple(text for text in named if text.rpartition("/")[2] not in _OLD_IDENTITIES)
    paths = [config.path(text) for text in named if text.lower() != "none"]
    return [path for path in dict.fromkeys(paths) if path.is_file()]


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


def _judge(keys: KnownKeys) -> Any:
    """asyncssh's own seven lists. Revoked keys are left out of the trusted ones, so that our judge gets to see them."""
    revoked = {key.blob for key in keys.revoked}

    def lists(*_: object) -> tuple[list[asyncssh.SSHKey], ...]:
        trusted = [key.text for key in keys.trusted if key.blob not in revoked]
        authorities = [key.text for key in keys.authorities if key.blob not in revoked]
        return _import(trusted), _import(authorities), [], [], [], [], []

    return lists


def _import(texts: list[str]) -> list[asyncssh.SSHKey]:
    found = []
    for text in texts:
        try:
            found.append(asyncssh.import_public_key(text))
        except asyncssh.KeyImportError:
            continue  # a kind of key that asyncssh does not speak
    return found


def _algorithms(config: HostConfig) -> dict[str, list[str]]:
    """Those that the config asks for and asyncssh has; our own choice where it says nothing."""
    found = {"encryption_algs": list(CIPHERS)}
    for name, argument, possible in (
        ("ciphers", "encryption_algs", get_encryption_algs()),
        ("macs", "mac_algs", get_mac_algs()),
        ("kexalgorithms", "kex_algs", get_kex_algs()),
        ("casignaturealgorithms", "signature_algs", get_public_key_algs()),
    ):
        chosen = _chosen(config, name, possible)
        if chosen:
            found[argument] = chosen
    return found


def _chosen(config: HostConfig, name: str, possible: Iterable[bytes]) -> list[str]:
    written = config.written(name)
    if not written:
        return []
    known = {algorithm.decode() for algorithm in possible}
    chosen = [algorithm for algorithm in written[0].split(",") if algorithm in known]
    if not chosen:
        raise SshConfigFault(f"Headway knows none of the {name} of {config.asked}: {written[0]}")
    return chosen


def _host_key_algorithms(keys: KnownKeys, config: HostConfig) -> list[str]:
    """What the host may show: kinds that we know it by first, as OpenSSH does, so that a second key causes no alarm."""
    chosen = _chosen(config, "hostkeyalgorithms", [*get_certificate_algs(), *get_public_key_algs()])
    if chosen:
        return chosen
    order: list[str] = []
    if keys.authorities:
        order += [name.decode() for name in get_default_certificate_algs()]
    for key in _import([key.text for key in keys.trusted]):
        order += [name.decode() for name in key.sig_algorithms]
    order += [name.decode() for name in get_default_public_key_algs()]
    return list(dict.fromkeys(order))


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
