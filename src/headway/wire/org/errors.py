"""The error of an org.toml that cannot be read."""

from headway.wire.strict.faults import FileInvalid


class OrgInvalid(FileInvalid):
    """The organisation's file cannot be read; `faults` holds everything that is wrong with it, in the file's order."""
