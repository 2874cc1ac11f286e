"""The unit for systemd, as `headway up --unit` prints it: the file beside this one, with this machine's program in it."""

import shutil
import sys
from pathlib import Path

#: Where the unit's user has its home; the data lies below it.
DATA = Path("/var/lib/headway/data")
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
    return text


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
