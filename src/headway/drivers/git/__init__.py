"""git: what a run is of, its working copies, and questions about history. Reads the user's repository, never writes it.

Every call starts a process (1.2 ms for git that does nothing, measured), so questions that belong together are
asked side by side. All functions block; the engine calls them in a thread.
"""

from headway.drivers.git.process import (
    BareRepository,
    GitError,
    GitMissing,
    NoCommits,
    NotARepository,
    OutOfBounds,
    OutputTooLong,
    ShallowClone,
    UnknownCommit,
    UnreadableTree,
    UnsafeOwnership,
)
from headway.drivers.git.repository import Git

__all__ = [
    "BareRepository",
    "Git",
    "GitError",
    "GitMissing",
    "NoCommits",
    "NotARepository",
    "OutOfBounds",
    "OutputTooLong",
    "ShallowClone",
    "UnknownCommit",
    "UnreadableTree",
    "UnsafeOwnership",
]
