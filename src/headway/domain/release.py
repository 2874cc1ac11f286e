"""A release: commit + artifacts, immutable, content-addressed."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file that a job made. `path` is relative to the job's directory, with forward slashes."""

    path: str
    sha256: str
    #: Bytes.
    size: int
    executable: bool = False


@dataclass(frozen=True, slots=True)
class Release:
    #: `rel-` + 12 hex digits of the SHA-256 over service, commit and artifacts: the same content is the same release.
    id: str
    service: str
    repository: str
    commit: str
    artifacts: tuple[Artifact, ...]
    created_at: datetime
    created_by: str
    #: The run that made it; None when another system built it (`headway release add`).
    run: str | None = None
    #: When retention let its artifacts go; None while it can be deployed.
    removed_at: datetime | None = None
