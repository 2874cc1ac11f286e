"""The JSON Schema of headway.toml; for editors and for the manual."""

from typing import Any

from headway.wire.contract.shape import ContractFile
from headway.wire.strict.schema import schema_of


def json_schema() -> dict[str, Any]:
    return schema_of(ContractFile, "headway.toml")
