"""Which parts of a contract need a server, and which are read and checked though nothing acts on them yet.

`headway check` names both, so that nobody waits for what will not come.
"""

from headway.domain.contract import Contract, PipelineSpec, Promote, TriggerSpec

#: Where in the file -> what will act on it.
LATER = {
    "service.runbook": "the link in a page",
    "services": "several services in one repository",
    "objectives": "verification and alerts",
    "oncall": "paging",
}

#: Where in the file -> what a server does with it; commands on one machine pass it over.
SERVER = {
    "service.team": "whose people may look and act",
    "triggers": "runs that begin by themselves",
    "pipeline": "the order of runs, and what is superseded",
    "jobs.concurrency": "groups of jobs that wait for one another",
    "jobs.slots": "how many slots a job takes",
    "jobs.priority": "which waiting job starts first",
    "environments.hosts": "hosts that org.toml declares for all services",
    "environments.promote": "going on by itself",
    "environments.approval": "who really approved, how many, until when",
}


def not_acted_on(contract: Contract) -> dict[str, str]:
    """The parts of this contract that nothing acts on yet, with what they are for: `{"objectives": "…"}`."""
    present = {
        "service.runbook": contract.service.runbook,
        "services": contract.services,
        "objectives": contract.objectives,
        "oncall": contract.oncall_policy,
    }
    return {part: purpose for part, purpose in LATER.items() if present[part]}


def needs_server(contract: Contract) -> dict[str, str]:
    """The parts of this contract that only a server acts on, with what it does."""
    jobs, environments = contract.jobs.values(), contract.environments.values()
    present = {
        "service.team": contract.service.team is not None,
        "triggers": contract.triggers != TriggerSpec(),
        "pipeline": contract.pipeline != PipelineSpec(),
        "jobs.concurrency": any(job.concurrency for job in jobs),
        "jobs.slots": any(job.slots != 1 for job in jobs),
        "jobs.priority": any(job.priority for job in jobs),
        "environments.hosts": bool(environments) and not contract.hosts and not contract.groups,
        "environments.promote": any(place.promote is Promote.AUTOMATIC for place in environments),
        "environments.approval": any(place.approval for place in environments),
    }
    return {part: purpose for part, purpose in SERVER.items() if present[part]}
