"""Facts for the delivery metrics: from the rows of deployments, and from git while the repository is here."""

from collections.abc import Sequence

from headway.base.errors import HeadwayError
from headway.domain.commit import Commit
from headway.domain.deployment import Deployment, DeploymentKind
from headway.drivers.git import Git
from headway.store.database import Transaction
from headway.store.deployment_commits import record_commits


def find_changes(git: Git, deployment: Deployment, base: str | None) -> tuple[Sequence[Commit], str | None]:
    """The commits that `deployment` brings beyond `base` (what is live), or why they can't be told. Blocks.

    None for a rollback and a redeploy, and for a first deployment (its history is older than Headway's watch).
    """
    if base is None or base == deployment.commit:
        return (), None
    if deployment.kind in (DeploymentKind.ROLLBACK, DeploymentKind.REDEPLOY):
        return (), None
    try:
        return git.commits_between(deployment.repository, base, deployment.commit), None
    except HeadwayError as error:
        # A release that another system built may be of a repository that is not here.
        return (), error.message


def record_changes(
    tx: Transaction,
    deployment: Deployment,
    base: str | None,
    found: tuple[Sequence[Commit], str | None],
) -> None:
    """Store what `find_changes` found, with the deployment's own row or any time later; the first time counts."""
    commits, unknown = found
    record_commits(tx, deployment.id, base=base, commits=commits, unknown=unknown)
