"""Which parts of a contract are read and checked though nothing acts on them yet. `headway check` names them."""

from headway.domain.contract import Contract

#: Where in the file -> what will act on it.
LATER = {
    "service.team": "whom to call and tell",
    "service.runbook": "the link in a page",
    "services": "several services in one repository",
    "objectives": "verification and alerts",
    "oncall": "paging",
}


def not_acted_on(contract: Contract) -> dict[str, str]:
    """The parts of this contract that nothing acts on yet, with what they are for: `{"objectives": "…"}`."""
    present = {
        "service.team": contract.service.team,
        "service.runbook": contract.service.runbook,
        "services": contract.services,
        "objectives": contract.objectives,
        "oncall": contract.oncall_policy,
    }
    return {part: purpose for part, purpose in LATER.items() if present[part]}
