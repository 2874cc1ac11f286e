"""Where this machine's data lies and which database holds it. Read from the environment by `main.settings`."""

from dataclasses import dataclass
from pathlib import Path


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
