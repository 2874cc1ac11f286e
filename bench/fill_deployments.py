"""Fill a database with a long history of deployments: fill_deployments.py DATABASE REPOSITORY COUNT."""

import sys
from datetime import UTC, datetime, timedelta

from headway.domain.deployment import Deployment, DeploymentKind, DeploymentState, HostRow
from headway.store.counters import next_number
from headway.store.database import Transaction, open_database
from headway.store.deployments import insert_deployment

HOSTS = 3


def main(database: str, repository: str, count: str) -> None:
    opened = open_database(f"sqlite:///{database}")
    begin = datetime.now(UTC) - timedelta(hours=int(count))

    def fill(tx: Transaction) -> None:
        for number in range(int(count)):
            _insert(tx, repository, begin + timedelta(hours=number), number)

    opened.transact(fill)
    opened.close()


def _insert(tx: Transaction, repository: str, at: datetime, number: int) -> None:
    """Every twentieth was bad and went back by itself."""
    bad = number % 20 == 19
    deployment = Deployment(
        id=f"dep-bench{number:08d}",
        number=next_number(tx, "bench", "deployment"),
        service="bench",
        repository=repository,
        environment="production",
        production=True,
        release=f"rel-{number:012x}",
        commit=f"{number:040x}",
        previous_release=f"rel-{number - 1:012x}" if number else None,
        kind=DeploymentKind.PLANNED,
        state=DeploymentState.ROLLED_BACK if bad else DeploymentState.SUCCEEDED,
        reason="web2 is not healthy" if bad else "every host serves it",
        requested_by="bench@bench",
        requested_at=at,
        started_at=at,
        first_switched_at=at + timedelta(seconds=5),
        verified_at=None if bad else at + timedelta(seconds=20),
        finished_at=at + timedelta(seconds=30),
        rolled_back_automatically=bad,
    )
    hosts = [
        HostRow(
            deployment=deployment.id,
            host=f"web{host + 1}",
            batch=host,
            state="reverted" if bad else "finished",
            reason="",
            previous_release=deployment.previous_release,
            switched_at=deployment.first_switched_at,
            verified_at=deployment.verified_at,
            reverted_at=deployment.finished_at if bad else None,
        )
        for host in range(HOSTS)
    ]
    insert_deployment(tx, deployment, hosts, 1)


if __name__ == "__main__":
    main(*sys.argv[1:])
