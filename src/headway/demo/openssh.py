"""The system's OpenSSH as a host of the demo, started as whoever runs the demo, with a home of its own per host."""

import asyncio
import contextlib
import os
import shlex
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

from headway.demo.processes import host_environment

#: Where distributions put it; it is not in an ordinary user's PATH on Debian.
_PLACES = ("/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/bin/sshd", "/usr/lib/ssh/sshd")
#: sshd, started by root, wants this empty folder for its unprivileged half.
_SEPARATION = Path("/run/sshd")
_CONFIGURATION = """\
ListenAddress 127.0.0.1:{port}
HostKey "{folder}/host_key"
AuthorizedKeysFile "{folder}/authorized_keys"
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PrintMotd no
PrintLastLog no
LogLevel ERROR
ForceCommand {login}
"""
_LOGIN = """\
#!/bin/sh
# Stands in for a login on this host: a home of its own, and the environment of a user there.
{exports}
cd "$HOME" || exit 1
exec /bin/sh ${{SSH_ORIGINAL_COMMAND:+-c "$SSH_ORIGINAL_COMMAND"}}
"""


def find_sshd() -> str | None:
    """sshd's absolute path, which it insists on being started by."""
    return next((place for place in _PLACES if os.access(place, os.X_OK)), None) or shutil.which("sshd")


@contextlib.asynccontextmanager
async def serve(folder: Path, home: Path, port: int) -> AsyncIterator[None]:
    """Raises OSError when sshd is not there or does not answer on `port` within 5 seconds."""
    sshd = find_sshd()
    if sshd is None:
        raise FileNotFoundError("there is no sshd on this machine")
    write_files(folder, home, port)
    log = folder / "sshd.log"
    with log.open("ab") as output:
        child = await asyncio.create_subprocess_exec(
            *_privately([sshd, "-D", "-e", "-f", str(folder / "sshd_config")]),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        await _answers(port, child, log)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.terminate()
        await child.wait()


def write_files(folder: Path, home: Path, port: int) -> None:
    login = folder / "login"
    (folder / "sshd_config").write_text(
        _CONFIGURATION.format(port=port, folder=folder, login=shlex.quote(str(login)))
    )
    exports = "\n".join(
        f"export {name}={shlex.quote(value)}" for name, value in host_environment(home).items()
    )
    login.write_text(_LOGIN.format(exports=exports))
    login.chmod(0o755)


def _privately(argv: list[str]) -> list[str]:
    """As root on a machine whose own sshd never ran, the folder is made in a mount namespace, so nothing is left behind."""
    if os.geteuid() != 0 or _SEPARATION.is_dir():
        return argv
    script = 'mount -t tmpfs -o mode=755 none /run && mkdir /run/sshd && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", script, "sh", *argv]


async def _answers(port: int, child: asyncio.subprocess.Process, log: Path) -> None:
    for _ in range(100):
        if child.returncode is not None:
            raise OSError(f"sshd ended at once: {log.read_text(errors='replace').strip()[-300:]}")
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
            continue
        banner = await reader.read(4)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        if banner == b"SSH-":
            return
    raise OSError(f"sshd did not answer on port {port}")
