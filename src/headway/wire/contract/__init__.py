"""The contract file headway.toml: text in, `domain.contract.Contract` or all its faults out. Touches no file.

Importing this package is cheap; pydantic and tree-sitter come in when a contract is read.
"""

from typing import TYPE_CHECKING

from headway.wire.contract.errors import ContractInvalid
from headway.wire.strict.faults import Fault

if TYPE_CHECKING:
    from headway.domain.contract import Contract
    from headway.domain.selection import Places

__all__ = ["ContractInvalid", "Fault", "read_contract"]


def read_contract(text: str, file: str = "headway.toml", *, elsewhere: "Places | None" = None) -> "Contract":
    """The contract that `text` writes down; `file` is the name that faults are shown with.

    `elsewhere`: the hosts and groups of the server's org.toml, which selectors may name as well; the contract holds its
    own alone (`domain.places.with_places` joins them). Raises ContractInvalid with all faults at once, in the file's
    order.
    """
    from headway.wire.contract.read import read

    return read(text, file, elsewhere)
