"""What OpenSSH makes of the ssh config for one host: asked of `ssh -G`, not read by us.

`Include`, `Match` (with `exec`, `final`, `canonical`), first value wins, quoting and tokens are OpenSSH's own then, in
the version that this machine has. It costs one process of 5 ms a connection. Without OpenSSH's client only the usual
values are known, so a config that is there is refused instead of half read.

`ssh -G` leaves the tokens of identities and commands as they stand and tells no usual value from a written one; so
those are put in here, and a second answer, to no config at all, says what is usual.
"""

import asyncio
import contextlib
import getpass
import os
import pwd
import re
import shutil
import signal
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from headway.drivers.ssh.errors import SshConfigFault
from headway.drivers.ssh.known_hosts import DEFAULT_PORT
from headway.drivers.ssh.settings import SshSettings

#: `Match exec` may run anything and `CanonicalizeHostname` asks DNS.
_WITHIN = 10.0
#: Processes at once.
_AT_ONCE = 8
_TOKEN = re.compile(r"%(.)")
_VARIABLE = re.compile(r"\$\{([^}]*)\}")
# OpenSSH puts the name into the commands of `Match exec` and `ProxyCommand`, which a shell reads. The name is a
# repository's word, and only versions from 9.6 on look at it themselves.
_NOT_A_NAME = re.compile(r"^-|[\s'\"`$\\;&<>|(){}\x00-\x1f\x7f]")
_MACHINE_CONFIG = Path("/etc/ssh/ssh_config")


@dataclass(frozen=True, slots=True)
class HostConfig:
    """The options of one host, by their lower-case names, each with its lines in order."""

    #: As it was asked for.
    asked: str
    options: Mapping[str, tuple[str, ...]]
    #: The same with no config.
    usual: Mapping[str, tuple[str, ...]]
    home: Path

    def word(self, name: str) -> str | None:
        """The option's one value; None if there is none."""
        value = self.options.get(name, ("none",))[0]
        return None if value.lower() == "none" else value

    def written(self, name: str) -> tuple[str, ...] | None:
        """The option's lines where some config says other than what is usual."""
        lines = self.options.get(name, ())
        return None if lines == self.usual.get(name, ()) else lines

    @property
    def address(self) -> str:
        return self.word("hostname") or self.asked

    @property
    def port(self) -> int:
        return int(self.word("port") or DEFAULT_PORT)

    @property
    def user(self) -> str:
        return self.word("user") or getpass.getuser()

    def path(self, text: str) -> Path:
        """A file that `ssh -G` names with its tokens as they were written: an identity, a certificate."""
        return self.plain_path(self.with_tokens(_VARIABLE.sub(self._variable, text)))

    def plain_path(self, text: str) -> Path:
        """A file that `ssh -G` names with its tokens put in: known_hosts, the agent."""
        return self.home / text[2:] if text.startswith("~/") else Path(text).expanduser()

    def with_tokens(self, text: str) -> str:
        """`%h`, `%p`, … put in. Raises SshConfigFault for one that has no meaning here."""
        return _TOKEN.sub(self._token, text)

    def _token(self, found: re.Match[str]) -> str:
        value = self._tokens().get(found[1])
        if value is None:
            raise SshConfigFault(
                f"the ssh config uses {found[0]} for {self.asked}, which has no meaning in this place"
            )
        return value

    def _tokens(self) -> Mapping[str, str]:
        # ssh_config(5), TOKENS; those of sockets and forwards (%C, %f, %H, %I, %K, %T, %t) have no use here.
        machine = socket.gethostname()
        return {
            "%": "%",
            "d": str(self.home),
            "h": self.address,
            "i": str(os.getuid()),
            "j": self.word("proxyjump") or "",
            "k": self.word("hostkeyalias") or self.asked,
            "L": machine.partition(".")[0],
            "l": machine,
            "n": self.asked,
            "p": str(self.port),
            "r": self.user,
            "u": getpass.getuser(),
        }

    def _variable(self, found: re.Match[str]) -> str:
        value = os.environ.get(found[1])
        if value is None:
            raise SshConfigFault(
                f"the ssh config uses {found[0]} for {self.asked}, and the environment has none"
            )
        return value


class OpenSshConfig:
    """Asks for the hosts of one command. Each connection asks anew: what was changed since counts."""

    def __init__(self, settings: SshSettings) -> None:
        self._settings = settings
        self._program = shutil.which("ssh")
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._door = asyncio.Lock()
        self._usual: Mapping[str, tuple[str, ...]] | None = None

    async def of(self, address: str, port: int | None, user: str | None) -> HostConfig:
        """What holds for this address; the port and the user, where given, win. Raises SshConfigFault."""
        for what, text in (("address", address), ("user", user or "")):
            if _NOT_A_NAME.search(text):
                raise SshConfigFault(f"{text!r} is no {what} for SSH")
        files = config_files(self._settings)
        if self._program is None:
            if files:
                raise SshConfigFault(
                    f"OpenSSH's client is not on this machine, and only it can read {files[0]}",
                    hint="install it (Debian, Alpine: openssh-client; Fedora: openssh-clients), or take the config away",
                )
            return HostConfig(address, _plain(address, port, user), {}, self._settings.home)
        words = [*_which(self._settings, files)]
        words += ["-p", str(port)] if port is not None else []
        words += ["-l", user] if user is not None else []
        usual, options = await asyncio.gather(
            self._usual_options(self._program),
            self._ask(self._program, [*words, "--", address]),
            return_exceptions=True,
        )
        for answer in (options, usual):
            if isinstance(answer, BaseException):
                raise answer
        assert not isinstance(usual, BaseException) and not isinstance(options, BaseException)
        return HostConfig(address, options, usual, self._settings.home)

    async def _usual_options(self, program: str) -> Mapping[str, tuple[str, ...]]:
        async with self._door:
            if self._usual is None:
                self._usual = await self._ask(program, ["-F", "none", "--", "localhost"])
            return self._usual

    async def _ask(self, program: str, words: list[str]) -> Mapping[str, tuple[str, ...]]:
        async with self._turns:
            # A session of its own: nothing asks at the terminal, and what a `Match exec` started ends with it.
            process = await asyncio.create_subprocess_exec(
                program,
                *("-G", "-T", *words),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
            try:
                async with asyncio.timeout(_WITHIN):
                    output, said = await process.communicate()
            except TimeoutError as error:
                raise SshConfigFault(
                    f"the ssh config did not say within {_WITHIN:g}s how to reach {words[-1]}",
                    hint=f"does a `Match exec` in it wait? try: ssh -G {words[-1]}",
                ) from error
            finally:
                if process.returncode is None:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
                    await process.wait()
        if process.returncode != 0:
            why = "; ".join(said.decode(errors="replace").split("\r\n")).strip("; \n")
            raise SshConfigFault(
                f"the ssh config cannot be used for {words[-1]}: {why}", hint=f"try: ssh -G {words[-1]}"
            )
        return _options(output.decode(errors="replace"))


def config_files(settings: SshSettings) -> tuple[Path, ...]:
    """Those that are there, of the named one (which must be), else the person's and the machine's."""
    if settings.config is not None:
        if not settings.config.is_file():
            raise SshConfigFault(
                f"the ssh config {settings.config} is not there", hint="see HEADWAY_SSH_CONFIG"
            )
        return (settings.config,)
    return tuple(path for path in (settings.home / ".ssh" / "config", _MACHINE_CONFIG) if path.is_file())


def _which(settings: SshSettings, files: tuple[Path, ...]) -> list[str]:
    if settings.config is None and settings.home == _account_home():
        return []
    # OpenSSH knows the account's home only; where HOME is another one, its config is named as a file.
    return ["-F", str(files[0]) if files else "none"]


def _account_home() -> Path | None:
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return None


def _plain(address: str, port: int | None, user: str | None) -> Mapping[str, tuple[str, ...]]:
    """What holds where there is no config."""
    return {
        "hostname": (address,),
        "port": (str(port or DEFAULT_PORT),),
        "user": (user or getpass.getuser(),),
    }


def _options(text: str) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        found[name.lower()] = (*found.get(name.lower(), ()), value)
    return found
