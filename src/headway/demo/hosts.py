"""A production host of the demo: a real SSH server with a home of its own. `python -m headway.demo.hosts --help`.

Two kinds, the same from outside: asyncssh, which runs the user's commands in real shells, or the system's OpenSSH.
The process is the machine: it lives as long as its standard input is open, and when it goes, every process that was
started on it goes too. So nothing is left behind, even when the demo itself is killed.
"""

import argparse
import asyncio
from pathlib import Path

from headway.demo.lifeline import until_released
from headway.demo.processes import HOST_VARIABLE, end_carriers


async def live(kind: str, folder: Path, home: Path, port: int) -> None:
    """Serve until we are released. `folder` holds host_key and authorized_keys, for OpenSSH also its other files."""
    if kind == "openssh":
        from headway.demo.openssh import serve
    else:
        from headway.demo.sshserver import serve
    try:
        async with serve(folder, home, port):
            await until_released()
    finally:
        end_carriers(HOST_VARIABLE, str(home))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m headway.demo.hosts", description=__doc__)
    parser.add_argument("--kind", choices=["asyncssh", "openssh"], default="asyncssh")
    parser.add_argument("--folder", type=Path, required=True, help="holds host_key and authorized_keys")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    asyncio.run(live(arguments.kind, arguments.folder, arguments.home, arguments.port))


if __name__ == "__main__":
    main()
