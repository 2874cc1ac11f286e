"""The keys with which secrets are encrypted: made once, kept in a file that only its owner can read, or given by the
environment. The first key writes; the others only read what was written before the key was changed.

VaultError              2
├── KeyMissing          2    there are secrets, and no key
├── KeyFileOpen         2    others could read the key
├── KeyInvalid          2    it is no key: 32 bytes as base64
├── KeyDoesNotFit       2    a secret was encrypted with a key that is not here; names the keys
└── SecretNameInvalid   2    a name or value that no process could be given
SecretDamaged           3    what is stored was changed by somebody else, or belongs elsewhere
"""

import base64
import binascii
import contextlib
import fcntl
import hashlib
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from headway.base.errors import DiskFull, Errored, Held, WrongUse, wants_room
from headway.engine.settings import Settings

_LENGTH = 32
_MOST_BYTES = 64 * 1024
FILE = "secret.key"


class VaultError(WrongUse):
    pass


class KeyMissing(VaultError):
    pass


class KeyFileOpen(VaultError):
    pass


class KeyInvalid(VaultError):
    pass


class KeyDoesNotFit(VaultError):
    pass


class SecretNameInvalid(VaultError):
    http_status = 400


class SecretDamaged(Errored):
    pass


@dataclass(frozen=True, slots=True)
class Key:
    #: Says which key it is, and nothing of it.
    id: str
    secret: bytes = field(repr=False)

    @classmethod
    def of(cls, secret: bytes) -> "Key":
        return cls(hashlib.sha256(secret).hexdigest()[:8], secret)

    @property
    def text(self) -> str:
        return base64.b64encode(self.secret).decode()


def new_key() -> Key:
    return Key.of(os.urandom(_LENGTH))


@dataclass(frozen=True, slots=True)
class KeySource:
    """Where the keys of a data folder come from. Reading it again gives what was changed meanwhile."""

    #: Of HEADWAY_SECRET_KEY, which then is all there is.
    text: str
    #: Of HEADWAY_SECRET_KEY_FILE, or DATA/secret.key.
    file: Path
    #: By the environment, text or file: then it is not ours to make or change.
    is_given: bool

    @classmethod
    def of(cls, settings: Settings) -> "KeySource":
        named = settings.environment.get("HEADWAY_SECRET_KEY_FILE")
        file = Path(named).expanduser().absolute() if named else settings.data / FILE
        text = settings.environment.get("HEADWAY_SECRET_KEY") or ""
        return cls(text, file, is_given=bool(text or named))

    @property
    def next_file(self) -> Path:
        """Holds the new key, and the old ones, from before a rotation until it is done."""
        return self.file.with_name(f"{self.file.name}.next")

    def exists(self) -> bool:
        return self.is_given or self.file.exists() or self.next_file.exists()

    def read(self) -> tuple[Key, ...]:
        """The first one writes; empty when there is none. Raises KeyFileOpen, KeyInvalid, KeyMissing."""
        if self.text:
            return _keys(self.text.replace(",", "\n"), "HEADWAY_SECRET_KEY")
        found = read_key_file(self.file)
        if self.is_given:
            if not found:
                raise KeyMissing(
                    f"HEADWAY_SECRET_KEY_FILE names {self.file}, which holds no key",
                    hint="make one: head -c 32 /dev/urandom | base64",
                )
            return found
        # A rotation that was cut short: what it has re-encrypted must be readable, and it is not over.
        return _once([*found, *read_key_file(self.next_file)])

    @contextlib.contextmanager
    def rotation(self) -> Iterator[None]:
        """Nobody else rotates meanwhile; else one's new key would be lost with the other's file. Raises Held."""
        lock = self.file.with_name(f"{self.file.name}.lock")
        with open(os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "w") as opened:
            try:
                fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Held("another process rotates the key at this moment", hint="wait for it") from None
            yield

    def create(self) -> tuple[Key, ...]:
        """The keys that are there, or a new one that now is. Two processes at once get the same one."""
        if (found := self.read()) or self.is_given:
            return found
        made = self.file.with_name(f"{self.file.name}.{os.getpid()}.new")
        write_key_file(made, [new_key()])
        try:
            with contextlib.suppress(FileExistsError):
                os.link(made, self.file)
        finally:
            made.unlink()
        _sync_folder(self.file.parent)
        return self.read()


def read_key_file(file: Path) -> tuple[Key, ...]:
    """One key a line, the first one writes; nothing when it is not there. Raises KeyFileOpen, KeyInvalid."""
    try:
        with open(os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as opened:
            _require_private(file, os.fstat(opened.fileno()))
            content = opened.read(_MOST_BYTES)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise KeyInvalid(f"{file} cannot be read: {error.strerror}", hint=f"see: ls -l {file}") from error
    return _keys(content.decode("ascii", "replace"), str(file))


def write_key_file(file: Path, keys: Sequence[Key]) -> None:
    """Whole and on the disk, or not at all. Raises DiskFull, KeyInvalid."""
    text = "# keys of Headway's secrets: the first one writes, the others only read; keep a copy elsewhere\n"
    text += "".join(f"{key.text}\n" for key in keys)
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside.unlink(missing_ok=True)
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as opened:
            opened.write(text)
            opened.flush()
            os.fsync(opened.fileno())
        beside.replace(file)
        _sync_folder(file.parent)
    except OSError as error:
        if wants_room(error):
            raise DiskFull(f"the key {file} could not be written: the disk is full") from error
        raise KeyInvalid(
            f"the key {file} cannot be written: {error.strerror}",
            hint="give this user a folder to write the key in, or set HEADWAY_SECRET_KEY",
        ) from error
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)


def fitting(keys: Mapping[str, Key], key_id: str, what: str) -> Key:
    """Raises KeyMissing, KeyDoesNotFit."""
    if found := keys.get(key_id):
        return found
    if not keys:
        raise KeyMissing(
            f"{what} was encrypted with the key {key_id}, and there is no key here",
            hint=f"bring back the file {FILE}, or set HEADWAY_SECRET_KEY",
        )
    raise KeyDoesNotFit(
        f"{what} was encrypted with the key {key_id}; here {'is' if len(keys) == 1 else 'are'} {', '.join(sorted(keys))}",
        hint=f"bring back the {FILE} that belongs to this database, or set the secret anew",
    )


def _keys(text: str, place: str) -> tuple[Key, ...]:
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        word = line.strip()
        if not word or word.startswith("#"):
            continue
        try:
            secret = base64.b64decode(word, validate=True)
        except (binascii.Error, ValueError):
            secret = b""
        if len(secret) != _LENGTH:
            # Not shown: it may be a key with a slip in it.
            raise KeyInvalid(
                f"key {number} of {place} is not 32 bytes as base64"
                if place == "HEADWAY_SECRET_KEY"
                else f"line {number} of {place} is not 32 bytes as base64",
                hint="make one: head -c 32 /dev/urandom | base64",
            )
        found.append(Key.of(secret))
    return _once(found)


def _once(keys: Sequence[Key]) -> tuple[Key, ...]:
    return tuple({key.id: key for key in reversed(keys)}[id] for id in dict.fromkeys(key.id for key in keys))


def _require_private(file: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise KeyFileOpen(f"{file} is not a regular file", hint="write the key into a file of that name")
    if status.st_uid not in (os.geteuid(), 0):
        raise KeyFileOpen(
            f"{file} belongs to another user, who could change it", hint=f"sudo chown {os.geteuid()} {file}"
        )
    # A service manager hands out keys that belong to root, readable for the group that is ours alone.
    others = 0o037 if status.st_uid != os.geteuid() else 0o077
    if status.st_mode & others:
        raise KeyFileOpen(
            f"{file} can be read by others (mode {stat.S_IMODE(status.st_mode):04o})",
            hint=f"chmod 600 {file}",
        )


def _sync_folder(folder: Path) -> None:
    """A new name is kept only when its folder is."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
