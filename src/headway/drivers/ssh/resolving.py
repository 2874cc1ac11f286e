"""From a host of headway.toml and the person's ssh config to what asyncssh needs to connect.

The host's own words (user, port) win over the ssh config, and the address is what the config's `Host`
patterns are matched with. Options of the config that would weaken or bend a command are not taken over:
StrictHostKeyChecking, RemoteCommand, SetEnv, SendEnv, RequestTTY, ForwardAgent, ForwardX11.
"""

import getpass
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asyncssh.config import SSHClientConfig, SSHConfig
from asyncssh.public_key import get_default_certificate_algs, get_default_public_key_algs

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
)
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


class Resolver:
    """Reads the ssh config, key files and known_hosts of one command; each file once, however many hosts there are."""

    def __init__(self, settings: SshSettings) -> None:
        self._settings = settings
        self._keys: dict[Path, asyncssh.SSHKey | str | None] = {}
        self._lines: dict[Path, list[tuple[str, KnownKey]]] = {}

    def resolve(self, host: HostSpec) -> Target:
        """What the ssh config makes of a host. Raises SshConfigFault for a config, key file or jump that cannot be used."""
        named = self._settings.config
        if named is not None and not named.is_file():
            raise SshConfigFault(f"the ssh config {named} is not there", hint="see HEADWAY_SSH_CONFIG")
        try:
            return self._resolve(host)
        except asyncssh.ConfigParseError as error:
            raise SshConfigFault(f"the ssh config cannot be read: {error}") from error
        except (OSError, ValueError, asyncssh.KeyImportError) as error:
            raise SshConfigFault(
                f"{host.name} cannot be connected to with this ssh configuration: {error}"
            ) from error

    def _resolve(self, host: HostSpec) -> Target:
        settings = self._settings
        user: Any = host.user if host.user is not None else ()
        port: Any = host.port if host.port is not None else ()
        paths: Any = [str(path) for path in settings.config_files] or None
        # Read without keys first: the config names files that OpenSSH passes over when they are not there.
        config = SSHClientConfig.load(
            None, paths, False, False, False, getpass.getuser(), user, host.address, port
        )
        address = str(config.get("Hostname", host.address))
        key_name = str(config.get("HostKeyAlias") or address)
        number = int(str(config.get("Port", DEFAULT_PORT)))
        files = _known_hosts_files(
            config.get("UserKnownHostsFile"), config.get("GlobalKnownHostsFile"), settings
        )
        # An alias stands alone in known_hosts, without the port.
        key_port = number if key_name == address else DEFAULT_PORT
        keys = read_known_keys(self._known_hosts(files), key_name, key_port)
        options = asyncssh.SSHClientConnectionOptions(
            config=paths,
            host=host.address,
            port=port,
            username=user,
            agent_path=_agent(config.get("IdentityAgent"), settings),
            **self._authentication(config, settings),
            known_hosts=_judge(keys),
            server_host_key_algs=_algorithms(keys, config.get("HostKeyAlgorithms")),
            encryption_algs=config.get("Ciphers") or list(CIPHERS),
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
            jumps=_jumps(config.get("ProxyJump"), host),
            known_hosts=files,
            key_name=key_name,
            key_port=key_port,
            options=options,
        )

    def _authentication(self, config: SSHConfig, settings: SshSettings) -> dict[str, Any]:
        paths = _identities(config.get("IdentityFile"), settings)
        loaded = [key for key in (self._key(path) for path in paths) if key is not None]
        # An empty list would send asyncssh to its own usual places.
        found: dict[str, Any] = {"client_keys": loaded or (), "ignore_encrypted": True}
        if config.get("IdentitiesOnly"):
            publics = [f"{path}.pub" for path in paths if Path(f"{path}.pub").is_file()]
            found["agent_identities"] = publics or [str(path) for path in paths]
        else:
            found["agent_identities"] = None
        return found

    def _key(self, path: Path) -> asyncssh.SSHKey | str | None:
        """A private key, read once; by its path where a certificate belongs to it; None if a passphrase locks it."""
        if path not in self._keys:
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
            self._keys[path] = key
        return self._keys[path]

    def _known_hosts(self, paths: Iterable[Path]) -> Iterable[tuple[str, KnownKey]]:
        for path in paths:
            if path not in self._lines:
                self._lines[path] = list(read_lines(path))
            yield from self._lines[path]


#: What holds for every host, whatever the ssh config says.
_FIXED: dict[str, Any] = {
    "compression_algs": ["none"],
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


def _agent(named: object, settings: SshSettings) -> str:
    """The socket of the agent; empty for none."""
    if named is None:
        return settings.agent or ""
    if str(named).lower() == "none":
        return ""
    return settings.agent or "" if str(named) == "SSH_AUTH_SOCK" else str(_expand(str(named), settings))


def _is_public(path: Path) -> bool:
    try:
        asyncssh.read_public_key(path)
    except (OSError, ValueError, asyncssh.KeyImportError):
        return False
    return True


def _known_hosts_files(user: object, machine: object, settings: SshSettings) -> tuple[Path, ...]:
    """In the order in which they are read; the first is where a new key is written."""
    named = [str(path) for path in user] if isinstance(user, list | tuple) else []
    named = [path for path in named if path.lower() != "none"] or ["~/.ssh/known_hosts"]
    named += (
        [str(path) for path in machine] if isinstance(machine, list | tuple) else ["/etc/ssh/ssh_known_hosts"]
    )
    return tuple(_expand(path, settings) for path in named)


def _expand(path: str, settings: SshSettings) -> Path:
    return settings.home / path[2:] if path.startswith("~/") else Path(path)


def _identities(named: object, settings: SshSettings) -> list[Path]:
    """Key files that are there: those that the config names, else the usual ones."""
    if isinstance(named, list | tuple) and named:
        paths = [_expand(str(path), settings) for path in named]
    else:
        paths = [settings.home / ".ssh" / name for name in _DEFAULT_IDENTITIES]
    return [path for path in paths if path.is_file()]


def _jumps(named: object, host: HostSpec) -> tuple[HostSpec, ...]:
    if not isinstance(named, str) or not named or named.lower() == "none":
        return ()
    jumps = []
    for text in named.split(","):
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


def _algorithms(keys: KnownKeys, named: object) -> str | list[str]:
    """What the host may show: kinds that we know it by first, as OpenSSH does, so that a second key causes no alarm."""
    if isinstance(named, str) and named:
        return named
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
