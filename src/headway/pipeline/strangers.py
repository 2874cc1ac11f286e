"""What a stranger's headway.toml may say: how its own jobs are made, not in which order or beside whom ours run."""

from collections.abc import Mapping
from dataclasses import replace

from headway.domain.contract import Concurrency, Contract, JobDefinition


def as_stranger(contract: Contract, pull_request: int | None) -> Contract:
    """The contract of a pull request from another repository: no priority, and its groups are its own."""
    whose = f"pull request {pull_request or '?'} of {contract.service.name}"
    pipeline = replace(contract.pipeline, priority=0, concurrency=_own(contract.pipeline.concurrency, whose))
    jobs: Mapping[str, JobDefinition] = {
        name: replace(job, priority=0, concurrency=_own(job.concurrency, whose))
        for name, job in contract.jobs.items()
    }
    return replace(contract, pipeline=pipeline, jobs=jobs)


def _own(group: Concurrency | None, whose: str) -> Concurrency | None:
    """Under a name that no file can write, for a group has no spaces."""
    return None if group is None else replace(group, group=f"{whose}: {group.group}")
