"""The whole state as one file, while everything goes on. The key of the stored secrets is never in it."""

import asyncio
import json
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from litestar.response import Stream

from headway.api.access import ApiRequest, caller, server_of
from headway.api.routes import Flag, plain, posts
from headway.api.run_logs import send_file
from headway.engine.audit import record
from headway.engine.keeping.backup import make_backup
from headway.engine.permissions import Action

#: One at a time: it reads everything.
_TURN = asyncio.Semaphore(1)


@posts(
    "/api/backup",
    id="makeBackup",
    does="A backup of the whole state, as a .tar.gz that headway restore takes.",
    of="system",
    status_code=200,
    media_type="application/gzip",
)
async def backup(request: ApiRequest, artifacts: Flag = True) -> Stream:
    """Without `artifacts` the bytes of releases and runs are left out. Keep the secrets' key elsewhere."""
    actor = await caller(request, Action.BACKUP)
    server = server_of(request)
    now = server.now()
    folder = Path(
        await asyncio.to_thread(tempfile.mkdtemp, prefix=".headway-sending-", dir=server.settings.data)
    )
    target = folder / f"headway-backup-{now:%Y%m%dT%H%M%SZ}.tar.gz"
    try:
        async with _TURN:
            made = await asyncio.to_thread(make_backup, server.settings, target, now, artifacts=artifacts)
        what = {"bytes": made.bytes, "artifacts": artifacts}
        await server.database.perform(lambda tx: record(tx, actor, "backup.make", "", None, what, now))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    headers = {
        "Content-Disposition": f'attachment; filename="{target.name}"',
        "Content-Length": str(made.bytes),
        "Cache-Control": "no-store",
        # What is in it, for whoever receives it.
        "Headway-Backup": json.dumps(made.told(), default=plain),
    }
    return Stream(_sent(target), media_type="application/gzip", headers=headers)


async def _sent(target: Path) -> AsyncIterator[bytes]:
    try:
        async for piece in send_file(target):
            yield piece
    finally:
        shutil.rmtree(target.parent, ignore_errors=True)


ROUTES = (backup,)
