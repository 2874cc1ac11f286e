"""A repository whose headway.toml names real OpenSSH servers as its hosts."""

import json
from dataclasses import dataclass
from pathlib import Path

from headway.engine.settings import Settings
from tests.support.sshd import Farm


@dataclass
class HostedProject:
    folder: Path
    settings: Settings
    farm: Farm

    def home(self, number: int) -> Path:
        """The home of web-NUMBER."""
        return self.farm.servers[number - 1].home

    def environment(self) -> dict[str, str]:
        """For a headway process of its own."""
        assert self.settings.ssh_config is not None
        return {
            **self.settings.environment,
            "HEADWAY_DATA": str(self.settings.data),
            "HEADWAY_SSH_CONFIG": str(self.settings.ssh_config),
        }


def make_project(
    folder: Path, farm: Farm, *, deploy: str = "", more: str = "", environment: dict[str, str] | None = None
) -> HostedProject:
    """Hosts web-1, web-2 … (zones a and b in turn) in the group web; the environment production is on all of them."""
    ssh = farm.settings()
    hosts = "".join(
        f'[hosts.{host.name}]\naddress = "{host.address}"\nport = {host.port}\n'
        f'labels = {{ zone = "{"ab"[number % 2]}" }}\n'
        for number, host in enumerate(farm.hosts())
    )
    names = [host.name for host in farm.hosts()]
    (folder / ".git").mkdir(parents=True)
    (folder / "headway.toml").write_text(
        f"""contract = 1
[service]
name = "shop"
[deploy]
kind = "script"
run = "true"
{deploy}
[environments.production]
hosts = "group:web"
{more}
[groups]
web = {json.dumps(names)}
{hosts}
"""
    )
    data = folder.parent / "data"
    settings = Settings(
        data=data,
        database_url=f"sqlite:///{data}/headway.db",
        user="tester@here",
        environment={"HOME": str(ssh.home), **(environment or {})},
        ssh_config=ssh.config,
    )
    return HostedProject(folder, settings, farm)
