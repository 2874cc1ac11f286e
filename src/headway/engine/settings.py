"""Where this machine's data lies and which database holds it. Read from the environment by `main.settings`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from headway.drivers.ssh.settings import SshSettings


@dataclass(frozen=True, slots=True)
class WantedSecrets:
    """Which secrets, and who asks."""

    names: Sequence[str]
    service: str
    #: None: a job's.
    environment: str | None
    #: As the headway.toml at hand says; a server knows better.
    team: str | None = None
    #: The repository whose code is to be given them, where a server runs it.
    repository: str | None = None


#: Those values that are stored, by name.
StoredSecrets = Callable[[WantedSecrets], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Settings:
    #: Everything Headway keeps on this machine: database, logs, artifacts, mirrors, job directories.
    data: Path
    #: `sqlite:///absolute/path` or `postgresql://…`.
    database_url: str
    #: Who asks, as `name@machine`; written into rows, journals and locks.
    user: str
    #: Values for secrets that no file has: the caller's environment.
    environment: dict[str, str]
    #: Those of `environment` that a headway.toml may hand to its jobs (`pass_env`); None: any, for who calls is who runs
    #: the file. Set by a server, whose variables are nobody's.
    job_variables: frozenset[str] | None = None
    #: An ssh config used in place of `~/.ssh/config`.
    ssh_config: Path | None = None
    #: Set by a server to its vault; then its own environment is no source of secrets. None: a command, which opens
    #: the vault of its data folder when it needs one.
    stored_secrets: StoredSecrets | None = None

    @property
    def logs(self) -> Path:
        return self.data / "logs"

    @property
    def jobs(self) -> Path:
        return self.data / "jobs"

    @property
    def artifacts(self) -> Path:
        return self.data / "artifacts"

    @property
    def mirrors(self) -> Path:
        return self.data / "mirrors"

    @property
    def secrets(self) -> Path:
        return self.data / "secrets"

    @property
    def ssh(self) -> SshSettings:
        """How this person reaches hosts: their home, ssh config and agent."""
        home = self.environment.get("HOME")
        return SshSettings(
            home=Path(home) if home else Path.home(),
            config=self.ssh_config,
            agent=self.environment.get("SSH_AUTH_SOCK") or None,
        )
