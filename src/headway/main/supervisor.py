"""Telling systemd how we are: the protocol of `sd_notify(3)`, a datagram to the socket that it named."""

import asyncio
import contextlib
import os
import socket

from headway.engine.server.server import Server


def notify_ready() -> None:
    _tell("READY=1")


def notify_stopping() -> None:
    _tell("STOPPING=1")


async def watchdog(server: Server) -> None:
    """Says that we live as long as the loop of loops is on time: one that hangs has systemd start us anew."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    if not microseconds.isdecimal() or not int(microseconds):
        return
    while True:
        await asyncio.sleep(int(microseconds) / 2_000_000)
        # The watch itself is what must not hang; a duty that waits for a slow forge is no reason to start anew.
        if "watch" not in server.duties.late(server.now()):
            _tell("WATCHDOG=1")


def _tell(text: str) -> None:
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as told,
    ):
        told.connect("\0" + address[1:] if address.startswith("@") else address)
        told.sendall(text.encode())
