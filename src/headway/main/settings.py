"""The only module that reads the environment: of the process, and of the file that a machine's server has for its own.

The user of a server's unit, to whom `/var/lib/headway` belongs, has its data in `/var/lib/headway/data`, and what
`/etc/headway.env` says: the server and every command of that user (a backup by cron) find one folder and one database.
"""

import getpass
import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

from headway.base.errors import WrongUse
from headway.engine.settings import Settings

#: The home of the user that the unit for systemd names, and what is said to this machine's server.
SERVICE_HOME, SERVICE_FILE = Path("/var/lib/headway"), Path("/etc/headway.env")


def read_settings(
    environment: Mapping[str, str] | None = None, *, home: Path = SERVICE_HOME, file: Path = SERVICE_FILE
) -> Settings:
    """Settings from `HEADWAY_DATA`, `HEADWAY_DATABASE_URL`, `HEADWAY_SSH_CONFIG` and the platform's convention. Creates nothing.

    What the environment says goes before what the server's `file` says. Raises WrongUse for a database address of an
    unknown kind, and for a file that cannot be read.
    """
    variables = {**_of_service(home, file), **(os.environ if environment is None else environment)}
    data = _data_folder(variables)
    url = variables.get("HEADWAY_DATABASE_URL") or f"sqlite:///{data / 'headway.db'}"
    if not url.startswith(("sqlite:///", "postgresql://", "postgres://")):
        raise WrongUse(
            f"HEADWAY_DATABASE_URL is '{url.split(':')[0]}:…', which is no database Headway knows",
            hint="write sqlite:///absolute/path or postgresql://user@host/name",
        )
    ssh_config = variables.get("HEADWAY_SSH_CONFIG")
    return Settings(
        data=data,
        database_url=url,
        user=f"{getpass.getuser()}@{socket.gethostname()}",
        environment=variables,
        ssh_config=Path(ssh_config).expanduser().absolute() if ssh_config else None,
    )


def _of_service(home: Path, file: Path) -> dict[str, str]:
    """Nothing for everybody but the user of this machine's server."""
    try:
        if home.stat().st_uid != os.geteuid():
            return {}
    except OSError:
        return {}
    said = {"HEADWAY_DATA": str(home / "data")}
    try:
        text = file.read_text()
    except FileNotFoundError:
        return said
    except (OSError, UnicodeDecodeError) as error:
        raise WrongUse(
            f"{file} cannot be read, and this machine's server is told there where its data lies: {error}",
            hint=f"sudo chgrp headway {file} && sudo chmod 640 {file}",
        ) from error
    # Imported here: on any other machine no command has such a file.
    from headway.engine.secrets.by_name import parse_secrets

    return said | parse_secrets(text, str(file))


def _data_folder(variables: Mapping[str, str]) -> Path:
    if named := variables.get("HEADWAY_DATA"):
        return Path(named).expanduser().absolute()
    home = Path(variables.get("HOME", "~")).expanduser()
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "headway"
    return Path(variables.get("XDG_DATA_HOME") or home / ".local" / "share") / "headway"
