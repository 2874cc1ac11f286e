"""An ssh config in a folder of its own, and what it makes of a host."""

import shutil
from pathlib import Path

import pytest

from headway.domain.contract import HostSpec
from headway.drivers.ssh.resolving import Resolver, Target
from headway.drivers.ssh.settings import SshSettings

needs_openssh = pytest.mark.skipif(shutil.which("ssh") is None, reason="no OpenSSH client here")


async def resolved(folder: Path, config: str, address: str = "web", **host: object) -> Target:
    (folder / "config").write_text(config)
    settings = SshSettings(home=folder, config=folder / "config", agent="/run/agent")
    return await Resolver(settings).resolve(HostSpec(name="web-1", address=address, **host))  # type: ignore[arg-type]
