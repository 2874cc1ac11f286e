"""Make this checkout's `src` importable in the environment, with its `headway` command, without a build tool.

`pip install -e .` would fetch a build backend from an index, which the lock file does not cover.
"""

import sys
import sysconfig
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent / "src"
COMMAND = """#!{python}
import sys
from headway.main.entry import main
sys.exit(main())
"""


def link() -> None:
    Path(sysconfig.get_path("purelib"), "headway.pth").write_text(f"{SOURCE}\n")
    command = Path(sysconfig.get_path("scripts"), "headway")
    command.write_text(COMMAND.format(python=sys.executable))
    command.chmod(0o755)


if __name__ == "__main__":
    link()
