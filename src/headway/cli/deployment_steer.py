"""`headway deployment pause|go-on|stop|back`: what people ask of a deployment that goes on, from any terminal.

The wish stands in the deployment's row, and whoever drives it reads that between steps: also after a kill.
"""

from pathlib import Path

import click

from headway.base.errors import Held
from headway.cli.output import echo, emit_json, json_option
from headway.cli.server_choice import local_option, server_for
from headway.deploy.rollout import Asked
from headway.engine.settings import Settings
from headway.wire.shapes_delivery import DeploymentDocument

#: Word -> what the row says, and what comes of it.
_WORDS: dict[str, tuple[Asked | None, str]] = {
    "pause": (Asked.PAUSE, "the steps at hand end, then nothing new begins until: headway deployment go-on"),
    "go-on": (None, "it goes on with the next host"),
    "stop": (Asked.STAY, "hosts whose switch has begun are brought to serve, the others keep what they have"),
    "back": (Asked.BACK, "every host that was switched goes back to what it had"),
}


class NothingGoesOn(Held):
    """No deployment is under way there."""


def steering(word: str, help: str) -> click.Command:
    @click.command(word, help=help)
    @click.argument("environment")
    @click.option("--service", metavar="NAME", help="The one of this folder's headway.toml, if not said.")
    @local_option
    @json_option
    @click.pass_obj
    def steer(
        settings: Settings, *, environment: str, service: str | None, local: bool, as_json: bool
    ) -> int:
        asked, fault = _ask(settings, environment, service, word, local=local)
        if fault:
            told = f"it cannot be heeded now, the deployment cannot be driven: {fault}"
            echo(f"{told}; it is kept, and heeded as soon as that goes", err=True)
        if as_json:
            emit_json({"deployment": asked})
        else:
            echo(f"deployment {asked['number']} of {asked['release']} to {environment}: {_WORDS[word][1]}")
            echo(f"headway status {environment} shows it", err=True)
        return 0

    return steer


def _ask(
    settings: Settings, environment: str, service: str | None, word: str, *, local: bool
) -> tuple[DeploymentDocument, str | None]:
    """The deployment, and why the server cannot drive it now. Raises NothingGoesOn."""
    from headway.cli.status import status_of
    from headway.engine.projects import service_name

    name = service or service_name(Path.cwd())
    status = status_of(settings, name, environment, local=local)
    going = [found for one in status["environments"] for found in one["unfinished"]]
    if not going:
        raise NothingGoesOn(
            f"no deployment of {name} to {environment} goes on", hint=f"headway status {environment}"
        )
    id = going[0]["id"]
    if (server := server_for(settings, local=local)) is not None:
        from headway.client.decode import typed
        from headway.client.http import segment

        path = f"/api/deployments/{segment(id)}"
        found = typed(server.post(f"{path}/{word}"), DeploymentDocument)
        return found, server.get(path).get("fault")
    from headway.base.clock import SystemClock
    from headway.cli.accounts import owner
    from headway.engine.deployments.steer import ask_of_deployment
    from headway.store.database import open_database
    from headway.wire.shapes_delivery import deployment_json

    asked, now = _WORDS[word][0], SystemClock().now()
    with open_database(settings.database_url) as database:
        fresh = database.transact(lambda tx: ask_of_deployment(tx, owner(settings), id, asked, now))
        return deployment_json(fresh), None
