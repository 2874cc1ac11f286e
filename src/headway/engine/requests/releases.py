"""Which release and which repository a server means by what is asked of it.

UnknownService     2    no release and no repository here is called so
"""

from headway.base.errors import HeadwayError, WrongUse
from headway.domain.release import Release
from headway.engine.releases.releases import Aim, Found, find_for
from headway.engine.requests.tools import RequestTools
from headway.engine.settings import Settings
from headway.store.database import Transaction
from headway.store.reports import newest_releases
from headway.store.repositories import repository_of_service


class UnknownService(WrongUse):
    http_status = 404


def release_for(tools: RequestTools, *, service: str, text: str, environment: str) -> Found:
    """What a deployment there takes for `text`, which is as in `find_for`. Raises UnknownService and the errors of
    releases. Blocks."""
    place = tools.database.read(lambda tx: repository_place(tx, tools.settings, service))
    if place is None:
        raise UnknownService(f"there is no service {service} here", hint="the first page lists them")

    def after(release: Release) -> str | None:
        try:
            contract = tools.projects.of(release.repository, release.commit, service).contract
        except HeadwayError:
            # Whatever is wrong with it, the gate tells.
            return None
        found = contract.environments.get(environment)
        return found.after if found else None

    aim = Aim(environment, after)
    return find_for(tools.database, tools.git, aim, service=service, repository=place, text=text)


def repository_place(tx: Transaction, settings: Settings, service: str) -> str | None:
    """Where the service's commits lie: its repository on this server, else that of its newest release."""
    repository = repository_of_service(tx, service)
    if repository is not None:
        return str(settings.data / "repositories" / f"{repository.id}.git")
    newest = newest_releases(tx, service).get(service)
    return newest[1] if newest is not None else None
