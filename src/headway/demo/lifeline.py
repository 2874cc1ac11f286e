"""A part of the world lives as long as its standard input is open: when the demo goes, even by `kill -9`, it goes too."""

import asyncio
import os
import signal
import sys

READY = "ready"


async def until_released() -> None:
    """Say that we are ready, then wait for the end of standard input or a TERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C belongs to the demo, which then closes our input
    line = sys.stdin.fileno()

    def look() -> None:
        if not os.read(line, 4096):
            loop.remove_reader(line)
            stop.set()

    loop.add_reader(line, look)
    print(READY, flush=True)
    await stop.wait()
    loop.remove_reader(line)
