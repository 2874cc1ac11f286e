"""git's environment, and its refusals as typed errors. `call` starts it; `repository`, `bare` and `mirror` say what is asked.

GitError               3   git refused for a reason that has no name here
├── GitMissing         3   no git on this machine
└── OutOfBounds        3   what was asked is more than git may take
    ├── OutputTooLong  3   it said more than is taken
    ├── TookTooLong    3   it took longer than it may
    └── TookTooMuch    3   it wanted more memory than it may have
NotARepository         2   no repository here or above
├── BareRepository     2   a repository without files
├── NoCommits          2   a repository in which nothing was committed yet
├── UnsafeOwnership    2   git does not trust a repository that belongs to somebody else
├── UnreadableTree     2   the tree as it is cannot be written down: an unreadable file, an empty inner repository
UnknownCommit          2   no such commit here
ShallowClone           2   history is needed and was not fetched
"""

import os
from collections.abc import Mapping

from headway.base.errors import DiskFull, Errored, WrongUse


class GitError(Errored):
    pass


class GitMissing(GitError):
    pass


class OutOfBounds(GitError):
    pass


class OutputTooLong(OutOfBounds):
    pass


class TookTooLong(OutOfBounds):
    pass


class TookTooMuch(OutOfBounds):
    pass


class NotARepository(WrongUse):
    pass


class BareRepository(NotARepository):
    pass


class NoCommits(NotARepository):
    pass


class UnsafeOwnership(NotARepository):
    pass


class UnreadableTree(NotARepository):
    pass


class UnknownCommit(WrongUse):
    pass


class ShallowClone(WrongUse):
    pass


# What a caller's git command (a hook, `git rebase --exec`) leaves in the environment would lead every call of ours to
# that repository and index instead of the one that is meant, and each version of git knows more of these names. So
# only those are kept by which a person says how to reach others, and which settings are his.
_KEPT = frozenset(
    {
        "GIT_ALLOW_PROTOCOL",
        "GIT_ATTR_NOSYSTEM",
        "GIT_CEILING_DIRECTORIES",
        "GIT_CONFIG_GLOBAL",
        "GIT_CONFIG_NOSYSTEM",
        "GIT_CONFIG_SYSTEM",
        "GIT_DISCOVERY_ACROSS_FILESYSTEM",
        "GIT_PROXY_COMMAND",
        "GIT_SSH",
        "GIT_SSH_COMMAND",
        "GIT_SSH_VARIANT",
    }
)
_KEPT_KINDS = ("GIT_HTTP_", "GIT_SSL_")


def git_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment without what leads astray: English messages, no prompt, no lock on the index."""
    kept = {
        name: value
        for name, value in environment.items()
        if not name.startswith("GIT_") or name in _KEPT or name.startswith(_KEPT_KINDS)
    }
    return kept | {
        "LC_ALL": "C",
        "LANGUAGE": "C",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "false",
        "SSH_ASKPASS": "false",
        "GIT_OPTIONAL_LOCKS": "0",
    }


#: A phrase of git's -> the error, what to say ({place}, {said}), what to do next.
_COMPLAINTS: tuple[tuple[tuple[str, ...], type[Errored] | type[WrongUse], str, str], ...] = (
    (
        ("dubious ownership", "unsafe repository"),
        UnsafeOwnership,
        "git does not trust {place}, because it belongs to another user",
        "if you trust it: git config --global --add safe.directory '{place}'",
    ),
    (
        ("must be run in a work tree",),
        BareRepository,
        "{place} is a bare repository and has no files to run",
        "clone it and call headway in the clone",
    ),
    (
        ("not a git repository",),
        NotARepository,
        "{place} is not inside a git repository",
        "go to your repository, or make one: git init && git add -A && git commit",
    ),
    (
        ("does not have any commits yet",),
        NoCommits,
        "the repository {place} has no commit yet",
        "commit something: git add -A && git commit",
    ),
    (
        ("No space left on device", "Disk quota exceeded"),
        DiskFull,
        "the disk is full: git could not write for {place}: {said}",
        "free some space, then try again",
    ),
    (
        # Of a failed write git tells no cause; of a file that cannot be made it does.
        ("unable to write file",),
        DiskFull,
        "git could not write to the disk, which is most likely full, for {place}: {said}",
        "free some space (see df), then try again",
    ),
    (
        ("Out of memory", "out of memory"),
        TookTooMuch,
        "git wanted more memory for {place} than one question may have: {said}",
        "see its largest commits and folders",
    ),
    (
        ("does not have a commit checked out",),
        UnreadableTree,
        "{place} holds another repository without commits: {said}",
        "commit something in it, or name it in .gitignore",
    ),
    (
        ("unable to index file", "Permission denied"),
        UnreadableTree,
        "a file of {place} could not be read: {said}",
        "make it readable, or name it in .gitignore",
    ),
    (
        ("missing blob", "unable to read", "promisor"),
        GitError,
        "objects are missing in {place}: {said}",
        "in a partial clone fetch them: git fetch --refetch --no-filter; in another one see git fsck",
    ),
)


def explain(complaint: str, place: str) -> Errored | WrongUse:
    """git tells its reasons in words only (exit code 128 for all of them), so here its words are read."""
    lines = [line for line in complaint.splitlines() if line.strip() and not line.startswith("hint:")]
    first = next((line for line in lines if line.startswith(("fatal:", "error:"))), lines[0] if lines else "")
    said = first.removeprefix("fatal: ").removeprefix("error: ") or "it said nothing"
    for phrases, kind, message, hint in _COMPLAINTS:
        if any(phrase in complaint for phrase in phrases):
            return kind(message.format(place=place, said=said), hint=hint.format(place=place))
    return GitError(f"git failed in {place}: {said}", hint="the same may show: git status; git fsck")


def clean_home(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment for calls that must not depend on the user's or the machine's git configuration.

    HOME is what git before 2.32 needs, which does not know GIT_CONFIG_GLOBAL.
    """
    return {
        **environment,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_ATTR_NOSYSTEM": "1",
        "HOME": "/nonexistent",
        "XDG_CONFIG_HOME": "/nonexistent",
    }


def server_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment for git in the server's own repositories, whatever the machine's or its user's settings are."""
    return clean_home(git_environment(environment))
