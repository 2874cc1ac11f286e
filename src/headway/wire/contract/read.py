"""Text in, contract out. The reader itself is `wire.strict`'s; here is what is headway.toml's own."""

from headway.domain.contract import Contract
from headway.domain.selection import Places
from headway.wire.contract.build import build_contract
from headway.wire.contract.errors import ContractInvalid
from headway.wire.contract.meaning import problems_of_meaning
from headway.wire.contract.shape import ContractFile
from headway.wire.strict.faults import Problem
from headway.wire.strict.raw import Table
from headway.wire.strict.reading import read_file
from headway.wire.strict.whole import number_problems

#: Numbers of the format that this Headway reads, the newest last.
KNOWN = (1,)


def read(text: str, file: str, elsewhere: Places | None) -> Contract:
    """See `wire.contract.read_contract`."""
    shape = read_file(
        text,
        file,
        ContractFile,
        first=_number,
        meaning=lambda document: problems_of_meaning(document, elsewhere),
        invalid=ContractInvalid,
    )
    return build_contract(shape)


def _number(document: Table) -> list[Problem]:
    if "contract" not in document:
        return [Problem(("contract",), "is missing; begin the file with: contract = 1", allowed="1")]
    return number_problems(document, "contract", KNOWN)
