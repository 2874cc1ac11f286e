"""The only module that reads the environment."""

import getpass
import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

from headway.base.errors import WrongUse
from headway.engine.settings import Settings


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Settings from `HEADWAY_DATA`, `HEADWAY_DATABASE_URL`, `HEADWAY_SSH_CONFIG` and the platform's convention. Creates nothing.

    Raises WrongUse for a database address of an unknown kind.
    """
    variables = dict(os.environ if environment is None else environment)
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


def _data_folder(variables: Mapping[str, str]) -> Path:
    if named := variables.get("HEADWAY_DATA"):
        return Path(named).expanduser().absolute()
    home = Path(variables.get("HOME", "~")).expanduser()
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "headway"
    return Path(variables.get("XDG_DATA_HOME") or home / ".local" / "share") / "headway"
