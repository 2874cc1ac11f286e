"""The unit for systemd, as `headway up --unit` prints it: the file beside this one, with this machine's program in it."""

import shlex
import shutil
import sys
from pathlib import Path

from headway.main.settings import SERVICE_FILE, SERVICE_HOME

#: Where its user's commands look, unless they are told otherwise.
DATA = SERVICE_HOME / "data"
LISTEN = "127.0.0.1:8080"


def unit(*, program: str | None = None, listen: str | None = None, data: str | None = None) -> str:
    """`program`: the whole path of `headway`; the one that was called, if not said."""
    text = (Path(__file__).parent / "headway.service").read_text()
    words = {
        "program": program or _called(),
        "listen": listen or LISTEN,
        "data": str(Path(data).absolute() if data else DATA),
    }
    for name, value in words.items():
        text = text.replace(f"@{name}@", _word(value))
    if words["data"] == str(DATA):
        return text
    # The server is told by its own line, the commands of its user by this one.
    line = shlex.quote(f"HEADWAY_DATA='{words['data']}'")
    told = f"#   echo {line} | sudo tee -a {SERVICE_FILE}      so that its user's commands find the data\n"
    return text.replace("[Unit]\n", f"{told}[Unit]\n", 1)


def _called() -> str:
    """systemd wants a whole path. Called as `python -m headway`, it is the command beside that Python."""
    called = Path(sys.argv[0])
    if called.name != "headway":
        called = Path(sys.executable).parent / "headway"
    return str(called.absolute() if called.exists() else shutil.which("headway") or called.absolute())


def _word(text: str) -> str:
    """As one word of ExecStart: systemd reads `%` as its own, and quotes as a shell does."""
    text = text.replace("%", "%%").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"' if any(character.isspace() for character in text) or '"' in text else text
