"""What a stranger's headway.toml may say: how its own jobs are made, not in which order or beside whom ours run."""

from collections.abc import Mapping
from dataclasses import replace

from headway.domain.contract import Concurrency, Contract, JobDefinition
from headway.domain.intake import Repository


def as_stranger(contract: Contract, repository: Repository, pull_request: int | None) -> Contract:
    """The contract of a pull request from another repository: no priority, its groups are its own, and it speaks for the
    service of the repository that it was made to, whose team says whether it may run."""
    name = repository.service or contract.service.name
    service = replace(contract.service, name=name, team=repository.team)
    whose = f"pull request {pull_request or '?'} of {name}"
    pipeline = replace(contract.pipeline, priority=0, concurrency=_own(contract.pipeline.concurrency, whose))
    jobs: Mapping[str, JobDefinition] = {
        name: replace(job, priority=0, concurrency=_own(job.concurrency, whose))
        for name, job in contract.jobs.items()
    }
    return replace(contract, service=service, pipeline=pipeline, jobs=jobs)


def _own(group: Concurrency | None, whose: str) -> Concurrency | None:
    """Under a name that no file can write, for a group has no spaces."""
    return None if group is None else replace(group, group=f"{whose}: {group.group}")
