"""The error of a headway.toml that cannot be read."""

from headway.wire.strict.faults import FileInvalid


class ContractInvalid(FileInvalid):
    """The contract cannot be read as one; `faults` holds everything that is wrong with it, in the file's order."""
