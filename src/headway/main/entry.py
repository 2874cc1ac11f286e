"""The `headway` command: settings in, exit code out."""

import contextlib
import gc
import os
import sys
from typing import NoReturn

from headway.cli.root import COMMANDS, run_command_line
from headway.main.settings import read_settings

# The demo stands on the same floor as the command line and uses it from outside, so it is joined on here.
COMMANDS["demo"] = ("headway.demo.command", "Show the whole road on real parts, in about a minute.")
# The server is put together here, above the command line.
COMMANDS["up"] = ("headway.main.up", "Start the server: pushes come in, pages show everything live.")

#: New objects between two collections. The default of 700 looks at every class and function again and again while
#: libraries are imported: 0.04 s of a command that talks to hosts.
_OBJECTS_BETWEEN_COLLECTIONS = 50_000


def main() -> NoReturn:
    open_what_is_closed()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    leave(run_command_line(sys.argv[1:], read_settings))


def open_what_is_closed() -> None:
    """Lead standard streams that the caller closed (`>&-`) nowhere.

    Else a database or a log would be opened under their numbers, and a program that we start would print into it.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            setattr(sys, name, os.fdopen(number, mode, closefd=False))


def leave(code: int) -> NoReturn:
    """End the process without taking the interpreter apart, which costs up to 0.06 s and brings nothing.

    Whatever has to be kept was kept when it happened: Headway may be killed between any two lines.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
