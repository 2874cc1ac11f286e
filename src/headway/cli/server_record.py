"""`headway deployment record` on a server."""

import contextlib
from pathlib import Path

from headway.base.errors import HeadwayError
from headway.client.decode import typed
from headway.client.http import HeadwayClient
from headway.drivers.git import Git
from headway.engine.requests.records import Record
from headway.wire.shapes_delivery import DeploymentDocument


def record_there(
    server: HeadwayClient, git: Git, root: Path, told: Record
) -> tuple[DeploymentDocument, bool]:
    """The deployment, and whether it was new. What names a commit here is its id there."""
    commit = told.commit
    with contextlib.suppress(HeadwayError):
        commit = git.resolve(root, commit)
    body = {
        "service": told.service,
        "environment": told.environment,
        "commit": commit,
        "source": told.source,
        "state": told.state,
        "kind": told.kind,
        "started_at": told.started_at.isoformat() if told.started_at else None,
        "finished_at": told.finished_at.isoformat() if told.finished_at else None,
        "version": told.version,
        "url": told.url,
        "key": told.key,
        "production": told.production,
    }
    found = server.post("/api/deployments", body)
    return typed(found["deployment"], DeploymentDocument), found["is_new"]
