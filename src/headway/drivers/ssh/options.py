"""From what the ssh config says of a host to the options by which asyncssh signs in there and knows it.

Options that would weaken or bend a command are not taken over: StrictHostKeyChecking, RemoteCommand, SetEnv, SendEnv,
RequestTTY, ForwardAgent, ForwardX11.
"""

import os
import socket
from collections.abc import Iterable
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

from headway.drivers.ssh.errors import SshConfigFault
from headway.drivers.ssh.known_hosts import KnownKeys, stamps
from headway.drivers.ssh.openssh_config import HostConfig
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


def options_for(
    config: HostConfig, settings: SshSettings, key_files: "KeyFiles", keys: KnownKeys
) -> asyncssh.SSHClientConnectionOptions:
    """`keys` are those that known_hosts has of the host. Raises SshConfigFault, and for a key file that cannot be used
    OSError, ValueError or KeyImportError."""
    bind = config.word("bindaddress")
    return asyncssh.SSHClientConnectionOptions(
        config=None,
        host=config.address,
        port=config.port,
        username=config.user,
        family=_FAMILIES.get(config.word("addressfamily") or "", socket.AF_UNSPEC),
        local_addr=(bind, 0) if bind else (),
        proxy_command=_proxy_command(config),
        agent_path=_agent(config, settings),
        **_authentication(config, key_files),
        **_algorithms(config),
        known_hosts=_judge(keys),
        server_host_key_algs=_host_key_algorithms(keys, config),
        keepalive_interval=settings.keepalive,
        login_timeout=settings.attempt_timeout,
        connect_timeout=settings.attempt_timeout,
        **_FIXED,
    )


class KeyFiles:
    """Private keys, read once however many hosts there are, and anew when they have changed."""

    def __init__(self) -> None:
        #: By path, with the stamps of the files they were read from.
        self._keys: dict[Path, tuple[object, asyncssh.SSHKey | str | None]] = {}

    def key(self, path: Path) -> asyncssh.SSHKey | str | None:
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


def _authentication(config: HostConfig, key_files: KeyFiles) -> dict[str, Any]:
    paths = _identities(config)
    loaded = [key for key in (key_files.key(path) for path in paths) if key is not None]
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


def _identities(config: HostConfig) -> list[Path]:
    """Key files that are there: those that the config names, else the usual ones."""
    named = config.written("identityfile")
    if named is None:
        named = config.usual.get("identityfile") or tuple(f"~/.ssh/{name}" for name in _DEFAULT_IDENTITIES)
        named = tuple(text for text in named if text.rpartition("/")[2] not in _OLD_IDENTITIES)
    paths = [config.path(text) for text in named if text.lower() != "none"]
    return [path for path in dict.fromkeys(paths) if path.is_file()]


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
