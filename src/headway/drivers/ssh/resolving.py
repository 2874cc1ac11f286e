"""From a host of headway.toml and the person's ssh config to what asyncssh needs to connect.

The host's own words (user, port) win over the ssh config, and the address is what the config's `Host`
patterns are matched with. Options of the config that would weaken or bend a command are not taken over:
StrictHostKeyChecking, RemoteCommand, SetEnv, SendEnv, RequestTTY, ForwardAgent, ForwardX11.
"""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncssh
from asyncssh.public_key import get_default_certificate_algs, get_default_public_key_algs

from headway.domain.contract import HostSpec
from headway.drivers.ssh.errors import ChangedHostKey, HostKeyError, SshConfigFault, UnknownHostKey
from headway.drivers.ssh.known_hosts import KnownKeys, fingerprint, host_pattern, read_known_keys
from headway.drivers.ssh.settings import SshSettings

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
    #: The name under which its key is recorded.
    key_name: str
    options: asyncssh.SSHClientConnectionOptions

    @property
    def place(self) -> str:
        return f"{self.user}@{self.address}:{self.port}"

    def known_keys(self, presented: bytes | None = None) -> KnownKeys:
        # An alias stands alone in known_hosts, without the port.
        port = self.port if self.key_name == self.address else 22
        return read_known_keys(self.known_hosts, self.key_name, port, presented)

    @property
    def pattern(self) -> str:
        return host_pattern(self.key_name, self.port if self.key_name == self.address else 22)


def resolve(host: HostSpec, settings: SshSettings) -> Target:
    """What the ssh config makes of a host. Raises SshConfigFault for a config, key file or jump that cannot be used."""
    try:
        return _resolve(host, settings)
    except asyncssh.ConfigParseError as error:
        raise SshConfigFault(f"the ssh config cannot be read: {error}") from error
    except (OSError, ValueError, asyncssh.KeyImportError) as error:
        raise SshConfigFault(
            f"{host.name} cannot be connected to with this ssh configuration: {error}"
        ) from error


def _resolve(host: HostSpec, settings: SshSettings) -> Target:
    if settings.config is not None and not settings.config.is_file():
        raise SshConfigFault(f"the ssh config {settings.config} is not there", hint="see HEADWAY_SSH_CONFIG")
    base: dict[str, Any] = {
        "config": [str(path) for path in settings.config_files] or None,
        "host": host.address,
        "agent_path": settings.agent or "",
    }
    if host.port is not None:
        base["port"] = host.port
    if host.user is not None:
        base["username"] = host.user
    # Read once without keys: the config names files that OpenSSH passes over when they are not there.
    words = asyncssh.SSHClientConnectionOptions(client_keys=None, known_hosts=b"", **base)
    config = words.config
    address = str(words.host)
    known = _known_hosts_files(config.get("UserKnownHostsFile"), config.get("GlobalKnownHostsFile"), settings)
    key_name = str(words.host_key_alias or address)
    target = Target(
        name=host.name,
        address=address,
        port=int(words.port),
        user=words.username,
        jumps=_jumps(words.tunnel, host),
        known_hosts=known,
        key_name=key_name,
        options=words,
    )
    keys = target.known_keys()
    options = asyncssh.SSHClientConnectionOptions(
        **base,
        client_keys=_identities(config.get("IdentityFile"), settings),
        ignore_encrypted=True,
        known_hosts=_judge(keys),
        server_host_key_algs=_algorithms(keys, config.get("HostKeyAlgorithms")),
        encryption_algs=config.get("Ciphers") or list(CIPHERS),
        compression_algs=["none"],
        tunnel=None,
        command=None,
        env=None,
        send_env=None,
        request_pty=False,
        agent_forwarding=False,
        x11_forwarding=False,
        encoding=None,
        gss_auth=False,
        gss_kex=False,
        password_auth=False,
        kbdint_auth=False,
        keepalive_interval=settings.keepalive,
        keepalive_count_max=3,
        login_timeout=settings.attempt_timeout,
        connect_timeout=settings.attempt_timeout,
    )
    return Target(**{**target.__dict__, "options": options})


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


def _identities(named: object, settings: SshSettings) -> list[str] | tuple[()]:
    """Key files that are there. None at all: asyncssh looks at the usual places and finds the same nothing."""
    if isinstance(named, list | tuple) and named:
        paths = [_expand(str(path), settings) for path in named]
    else:
        paths = [settings.home / ".ssh" / name for name in _DEFAULT_IDENTITIES]
    return [str(path) for path in paths if path.is_file()] or ()


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
