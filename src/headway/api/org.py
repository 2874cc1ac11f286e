"""The organisation's file: the text in force, and what is wrong with the one on disk."""

from datetime import datetime
from typing import TypedDict

from headway.api.access import ApiRequest, actor_of, looker
from headway.api.routes import reads
from headway.engine.permissions import Action, allows

_BROKEN = "org.toml has faults; what was read before them is in force, and an administrator sees them"


class OrgFault(TypedDict):
    file: str
    key_path: str
    line: int
    column: int
    message: str


class OrgDocument(TypedDict):
    """Everybody learns the teams and whether the file is well; what it says of people, hosts and guards is its keepers'."""

    #: Empty for whoever is no administrator, as are `text` and `faults`.
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
    """What the file says, its path and its faults are told to administrators only; teams and whether it is well, to all."""
    keeper, actor = (await looker(request)).org, await actor_of(request)
    tells_all = allows(actor, Action.SYSTEM_SETTINGS, team=None)
    return {
        "path": str(keeper.path) if tells_all else "",
        "text": keeper.text if tells_all else "",
        "read_at": keeper.read_at,
        "fault": keeper.fault if tells_all or not keeper.fault else _BROKEN,
        "faults": [
            {
                "file": fault.file,
                "key_path": fault.key_path,
                "line": fault.line,
                "column": fault.column,
                "message": fault.message,
            }
            for fault in (keeper.faults if tells_all else ())
        ],
        "teams": {team.name: dict(team.members) for team in keeper.current.teams.values()},
    }


ROUTES = (org,)
