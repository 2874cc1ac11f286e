"""The `headway` command: settings in, exit code out."""

import sys

from headway.cli.root import COMMANDS, run_command_line
from headway.main.settings import read_settings

# The demo stands on the same floor as the command line and uses it from outside, so it is joined on here.
COMMANDS["demo"] = ("headway.demo.command", "Show the whole road on real parts, in about a minute.")


def main() -> None:
    sys.exit(run_command_line(sys.argv[1:], read_settings))


if __name__ == "__main__":
    main()
