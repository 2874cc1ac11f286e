"""Which commits a deployment brings: found by git when it begins, or any time later, and stored with it."""

from collections.abc import Sequence

from headway.base.errors import HeadwayError
from headway.domain.commit import Commit
from headway.domain.deployment import Deployment, DeploymentKind
from headway.drivers.git import Git
from headway.store.database import Transaction
from headway.store.deployment_commits import record_commits
from headway.store.reports import PastDeployment

#: The commits, or none and why they are not known.
Found = tuple[Sequence[Commit], str | None]


def find_changes(git: Git, deployment: Deployment | PastDeployment, base: str | None) -> Found:
    """The commits that `deployment` brings beyond `base` (what is live), or why they can't be told. Blocks.

    None for a rollback and a redeploy, and for a first deployment (its history is older than Headway's watch).
    """
    if base is None or base == deployment.commit:
        return (), None
    if deployment.kind in (DeploymentKind.ROLLBACK, DeploymentKind.REDEPLOY):
        return (), None
    return commits_between(git, deployment.repository, base, deployment.commit)


def record_changes(
    tx: Transaction, deployment: Deployment | PastDeployment, base: str | None, found: Found
) -> None:
    """Store what `find_changes` found, with the deployment's own row or any time later; the first time counts."""
    commits, unknown = found
    record_commits(tx, deployment.id, base=base, commits=commits, unknown=unknown)


def commits_between(git: Git, repository: str, old: str, new: str) -> Found:
    """As git can tell here, or why it can't. Blocks."""
    try:
        return git.commits_between(repository, old, new), None
    except HeadwayError as error:
        # A release that another system built may be of a repository that is not here.
        return (), error.message
    except OSError as error:
        return (), f"the repository {repository} cannot be asked: {error.strerror}"
