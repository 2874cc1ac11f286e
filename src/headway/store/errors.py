"""What can go wrong with the database, told for a person.

DatabaseTooNew       2    a newer Headway has written this database
NoDatabase           2    there is none, and what was asked for makes none
DriverMissing        2    PostgreSQL was asked for and its driver is not installed
DatabaseAddressWrong 2    the address cannot be read
DatabaseUnavailable  3    it cannot be reached, opened, read or written
├── DatabaseBusy     3    another process kept it locked longer than we wait
└── DatabaseDamaged  3    the file is not a whole database
DiskFull             3    there is no room left (of base.errors, so that a full disk is one error wherever it is met)
ReleaseDiffers       2    a release's id stands for another content
Duplicate            3    a unique index said no: the row is there already (callers may catch it)
"""

from headway.base.errors import DiskFull, Errored, WrongUse

__all__ = [
    "DatabaseAddressWrong",
    "DatabaseBusy",
    "DatabaseDamaged",
    "DatabaseTooNew",
    "DatabaseUnavailable",
    "DiskFull",
    "DriverMissing",
    "Duplicate",
    "NoDatabase",
    "ReleaseDiffers",
    "TryAgain",
]


class DatabaseTooNew(WrongUse):
    pass


class NoDatabase(WrongUse):
    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what}: nothing was run or deployed with it yet",
            hint="headway run makes one; a server's commands run as its user: sudo -u headway headway …; another "
            "folder: set HEADWAY_DATA; after a loss: headway restore FILE, and headway status --from-hosts needs none",
        )


class DriverMissing(WrongUse):
    pass


class DatabaseAddressWrong(WrongUse):
    pass


class DatabaseUnavailable(Errored):
    pass


class DatabaseBusy(DatabaseUnavailable):
    pass


class DatabaseDamaged(DatabaseUnavailable):
    pass


class ReleaseDiffers(WrongUse):
    pass


class Duplicate(Errored):
    pass


class TryAgain(Exception):
    """Inside store only: nothing of the transaction was stored and another try may succeed.

    `told` is what the caller gets when it does not.
    """

    def __init__(self, told: Errored) -> None:
        super().__init__(told.message)
        self.told = told
