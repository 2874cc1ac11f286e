"""What somebody asks of a run, jobs and parameters, checked against the file before anything is stored.

ParametersWrong   2
JobsWrong         2   a job is named that is none
"""

from collections.abc import Mapping, Sequence

from headway.base.errors import WrongUse
from headway.domain.contract import Contract
from headway.pipeline.parameters import check_parameters
from headway.pipeline.plan import plan
from headway.pipeline.when import WhenFacts


class ParametersWrong(WrongUse):
    """`faults` are all of them."""

    http_status = 400

    def __init__(self, faults: tuple[str, ...]) -> None:
        super().__init__("; ".join(faults), hint="headway.toml lists them under [parameters]")
        self.faults = faults


class JobsWrong(WrongUse):
    """`faults` are all of them."""

    http_status = 400

    def __init__(self, faults: tuple[str, ...]) -> None:
        super().__init__("; ".join(faults), hint="headway run --help; without --job all jobs run")
        self.faults = faults


def check_given(contract: Contract, given: Mapping[str, str]) -> dict[str, str]:
    """The values of a run that somebody asks for, with the file's defaults. Raises ParametersWrong."""
    values, faults = check_parameters(contract.parameters, given)
    if faults:
        raise ParametersWrong(tuple(fault.message for fault in faults))
    return values


def check_jobs(contract: Contract, only: Sequence[str]) -> None:
    """Raises JobsWrong; other faults of the plan are the file's and show in its run."""
    if not only:
        return
    nowhere = WhenFacts(branch=None, tag=None, dirty=False, changed=None)
    faults = [fault for fault in plan(contract.jobs, nowhere, only).faults if fault.place == "--job"]
    if faults:
        raise JobsWrong(tuple(fault.message for fault in faults))


def read_given(texts: Sequence[str]) -> dict[str, str]:
    """`NAME=VALUE` each, as people and addresses write them. Raises ParametersWrong."""
    faults = [f"'{text[:100]}' is no NAME=VALUE" for text in texts if "=" not in text]
    pairs = [text.split("=", 1) for text in texts if "=" in text]
    names = [name for name, _ in pairs]
    faults += [f"{name[:100]} is given twice" for name in dict.fromkeys(names) if names.count(name) > 1]
    if faults:
        raise ParametersWrong(tuple(faults))
    return dict(pairs)
