"""What can go wrong with a host, each with its own name.

SshError                    Errored 3
├── HostUnreachable         no answer within the time limit
├── ConnectionLost          it was there and is gone; the next call reopens
├── CommandTimedOut         the time limit passed; the remote process group was killed
├── NoShell                 connected, but the account gives no shell
├── AuthenticationRefused   the host knows us not
├── DiskFullOnHost          nothing was left behind
├── UploadRefused           the file could not be put where it was to go
└── HostKeyError
    ├── UnknownHostKey      nobody said yet that this key is the host's
    └── ChangedHostKey      another key than the one that was trusted, or a revoked one
SshConfigFault              WrongUse 2: the ssh config or a host's definition cannot be used
"""

from headway.base.errors import Errored, WrongUse


class SshConfigFault(WrongUse):
    """The ssh config file, a key file or a host's own words cannot be used."""


class SshError(Errored):
    """`host` is the host's name in headway.toml."""

    def __init__(self, host: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.host = host


class HostUnreachable(SshError):
    """No connection within the time limit. `cause` is the last refusal, `attempts` how often it was tried."""

    def __init__(self, host: str, place: str, cause: str, attempts: int, *, hint: str | None = None) -> None:
        tried = "once" if attempts == 1 else f"{attempts} times"
        super().__init__(host, f"{host} ({place}) cannot be reached: {cause} (tried {tried})", hint=hint)
        self.place = place
        self.cause = cause
        self.attempts = attempts


class ConnectionLost(SshError):
    """The connection broke under a call: whether the command ran to its end is unknown."""


class CommandTimedOut(SshError):
    """`output` is what had come until then; `survivors` counts processes that even KILL did not end."""

    def __init__(self, host: str, message: str, *, output: bytes = b"", survivors: int | None = 0) -> None:
        super().__init__(host, message)
        self.output = output
        self.survivors = survivors


class NoShell(SshError):
    """The account was let in, and no POSIX shell answered."""


class AuthenticationRefused(SshError):
    """No key that we hold opens this account."""


class DiskFullOnHost(SshError):
    """`free` is in bytes, None where the host could not say."""

    def __init__(self, host: str, message: str, *, free: int | None, hint: str | None = None) -> None:
        super().__init__(host, message, hint=hint)
        self.free = free


class UploadRefused(SshError):
    """The host's own words say why: a folder that cannot be made, a permission, a checksum that differs."""


class HostKeyError(SshError):
    """`fingerprint` is `SHA256:…` as OpenSSH prints it, of the key that the host showed."""

    def __init__(self, host: str, message: str, *, fingerprint: str, hint: str) -> None:
        super().__init__(host, message, hint=hint)
        self.fingerprint = fingerprint


class UnknownHostKey(HostKeyError):
    """`trust` is the shell command that trusts exactly the key that was shown."""

    def __init__(self, host: str, message: str, *, fingerprint: str, trust: str, hint: str) -> None:
        super().__init__(host, message, fingerprint=fingerprint, hint=hint)
        self.trust = trust


class ChangedHostKey(HostKeyError):
    """`recorded` are the fingerprints that were trusted, `places` where they stand (`file:line`)."""

    def __init__(
        self,
        host: str,
        message: str,
        *,
        fingerprint: str,
        recorded: tuple[str, ...],
        places: tuple[str, ...],
        hint: str,
    ) -> None:
        super().__init__(host, message, fingerprint=fingerprint, hint=hint)
        self.recorded = recorded
        self.places = places
