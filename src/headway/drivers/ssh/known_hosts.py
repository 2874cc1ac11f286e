"""known_hosts, read as OpenSSH reads it, with the line on which each key stands.

Sources: sshd(8), SSH_KNOWN_HOSTS FILE FORMAT. A host on another port than 22 is `[host]:port`; its key
may also stand under the plain name, but a different key there says nothing about this port.
"""

import base64
import binascii
import fnmatch
import hashlib
import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

DEFAULT_PORT = 22


@dataclass(frozen=True, slots=True)
class KnownKey:
    """One line: a host key, a certificate authority (`cert-authority`) or a `revoked` key."""

    path: Path
    line: int
    marker: str | None
    algorithm: str
    #: `algorithm base64`, as it stands.
    text: str
    blob: bytes

    @property
    def place(self) -> str:
        return f"{self.path}:{self.line}"

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.blob)


@dataclass(frozen=True, slots=True)
class KnownKeys:
    """What the files say of one host."""

    trusted: tuple[KnownKey, ...]
    authorities: tuple[KnownKey, ...]
    revoked: tuple[KnownKey, ...]


def fingerprint(blob: bytes) -> str:
    """`SHA256:…` without padding, as `ssh-keygen -l` prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def host_pattern(host: str, port: int) -> str:
    """How the host is written in known_hosts."""
    return host.lower() if port == DEFAULT_PORT else f"[{host.lower()}]:{port}"


def read_known_keys(
    lines: Iterable[tuple[str, KnownKey]], host: str, port: int, presented: bytes | None = None
) -> KnownKeys:
    """Every key that the lines (see `read_lines`) hold for the host.

    `presented` is the key that the host showed, if it is known yet: a key under the plain name counts
    for another port only when it is that very key.
    """
    trusted: list[KnownKey] = []
    authorities: list[KnownKey] = []
    revoked: list[KnownKey] = []
    pattern, plain = host_pattern(host, port), host.lower()
    for names, key in lines:
        exact = _names(names, pattern)
        if not exact and not (port != DEFAULT_PORT and _names(names, plain)):
            continue
        if key.marker == "revoked":
            revoked.append(key)
        elif key.marker == "cert-authority":
            authorities.append(key)
        elif exact or presented is None or key.blob == presented:
            trusted.append(key)
    return KnownKeys(tuple(trusted), tuple(authorities), tuple(revoked))


def stamps(files: Iterable[Path]) -> tuple[tuple[int, ...] | None, ...]:
    """Others when a file was changed, replaced, made or removed."""
    found: list[tuple[int, ...] | None] = []
    for file in files:
        try:
            status = file.stat()
        except OSError:
            found.append(None)
        else:
            found.append((status.st_ino, status.st_mtime_ns, status.st_size))
    return tuple(found)


def read_lines(path: Path) -> Iterable[tuple[str, KnownKey]]:
    """Each line's names and key. A file that is not there is empty; a line that makes no sense is passed over."""
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        marker = words.pop(0)[1:] if words[0].startswith("@") else None
        if len(words) < 3 or marker not in (None, "revoked", "cert-authority"):
            continue
        names, algorithm, encoded = words[:3]
        try:
            blob = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            continue
        yield names, KnownKey(path, number, marker, algorithm, f"{algorithm} {encoded}", blob)


def _names(names: str, host: str) -> bool:
    """Whether the line's names hold the host; `!pattern` takes it out again."""
    if names.startswith("|"):
        return _hashed(names, host)
    found = False
    for pattern in names.lower().split(","):
        negated = pattern.startswith("!")
        if _matches(host, pattern.removeprefix("!")):
            if negated:
                return False
            found = True
    return found


def _matches(host: str, pattern: str) -> bool:
    if "*" not in pattern and "?" not in pattern:
        return host == pattern
    # fnmatch gives brackets a meaning; known_hosts takes them as they are.
    return fnmatch.fnmatchcase(host, pattern.replace("[", "[[]"))


def _hashed(names: str, host: str) -> bool:
    parts: Sequence[str] = names.split("|")
    if len(parts) != 4 or parts[1] != "1":
        return False
    try:
        salt, digest = base64.b64decode(parts[2]), base64.b64decode(parts[3])
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(hmac.new(salt, host.encode(), "sha1").digest(), digest)
