"""A release: commit + artifacts, immutable, content-addressed."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

PREFIX = "rel-"
#: 128 bits: nobody can compute another content with the same id.
DIGITS = 32
#: Releases that were made before have the beginning only. They keep it, and their content is compared when it counts.
_SHORT = len(PREFIX) + 12


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
    #: See `release_id`: the same content is the same release.
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

    @property
    def content(self) -> tuple[object, ...]:
        """All that makes it this release and no other one; two are the same only if this is."""
        return self.service, self.commit, _listed(self.artifacts)

    @property
    def ids(self) -> tuple[str, ...]:
        """Under which this content may stand already: its id, and the short one of before."""
        return tuple(dict.fromkeys((self.id, self.id[:_SHORT])))


def release_id(service: str, commit: str, artifacts: Sequence[Artifact]) -> str:
    """`rel-` and the first digits of the SHA-256 over service, commit and artifacts: the same everywhere."""
    content = json.dumps([service, commit, _listed(artifacts)], separators=(",", ":"))
    return PREFIX + hashlib.sha256(content.encode()).hexdigest()[:DIGITS]


def _listed(artifacts: Sequence[Artifact]) -> list[list[object]]:
    return sorted([artifact.path, artifact.sha256, artifact.executable] for artifact in artifacts)
