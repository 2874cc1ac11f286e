"""The organisation's file: the text in force, and what is wrong with the one on disk."""

from datetime import datetime
from typing import TypedDict

from headway.api.access import ApiRequest, looker
from headway.api.routes import reads


class OrgFault(TypedDict):
    file: str
    key_path: str
    line: int
    column: int
    message: str


class OrgDocument(TypedDict):
    path: str
    #: In force; empty without a file.
    text: str
    read_at: datetime | None
    #: One sentence; empty when all is well.
    fault: str
    faults: list[OrgFault]
    teams: dict[str, dict[str, str]]


@reads("/api/org", id="getOrg", does="org.toml as it is in force, and its faults.", of="system")
async def org(request: ApiRequest) -> OrgDocument:
    keeper = (await looker(request)).org
    return {
        "path": str(keeper.path),
        "text": keeper.text,
        "read_at": keeper.read_at,
        "fault": keeper.fault,
        "faults": [
            {
                "file": fault.file,
                "key_path": fault.key_path,
                "line": fault.line,
                "column": fault.column,
                "message": fault.message,
            }
            for fault in keeper.faults
        ],
        "teams": {team.name: dict(team.members) for team in keeper.current.teams.values()},
    }


ROUTES = (org,)
