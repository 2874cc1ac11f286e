"""`headway backup` of a server elsewhere: the file comes over the line, whole or not at all."""

import json
import os
from datetime import datetime
from pathlib import Path

from headway.base.errors import WrongUse
from headway.client.http import HeadwayClient
from headway.engine.keeping.backup import Backup


def fetch_backup(server: HeadwayClient, target: Path, *, artifacts: bool) -> Backup:
    if target.exists():
        raise WrongUse(f"{target} is there already", hint="name another file; a backup is never written over")
    partial = target.with_name(f".{target.name}.part")
    try:
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            headers = server.download("POST", "/api/backup", file, artifacts=artifacts)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(target)
    finally:
        partial.unlink(missing_ok=True)
    told = json.loads(headers["headway-backup"])
    return Backup(
        file=target,
        created_at=datetime.fromisoformat(told["created_at"]),
        bytes=target.stat().st_size,
        rows=told["rows"],
        logs=told["logs"],
        artifacts=told["artifacts"],
        repositories=told["repositories"],
        missing=told["missing"],
        keys=tuple(told["keys"]["there"]),
        has_keys=told["keys"]["in_it"],
        has_artifacts=artifacts,
    )
