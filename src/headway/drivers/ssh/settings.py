"""Where SSH finds its files and how patient it is: a value, so that a test or the demo points elsewhere."""

from dataclasses import dataclass
from pathlib import Path

#: sshd begins to refuse at 10 connections that have not signed in yet (MaxStartups 10:30:100).
STARTS_PER_SERVER = 6


@dataclass(frozen=True, slots=True)
class SshSettings:
    """The person's own SSH set-up, and the driver's limits. Times are in seconds."""

    #: Where `.ssh` lies and what `~` means.
    home: Path
    #: An ssh config used in place of `~/.ssh/config`.
    config: Path | None = None
    #: Socket of the ssh agent; None: no agent.
    agent: str | None = None
    #: How long an unreachable host is tried again before it is given up.
    connect_within: float = 20.0
    #: One attempt to connect and sign in.
    attempt_timeout: float = 15.0
    #: Silence after which a connection is asked whether it still stands; it is lost after three of them.
    keepalive: float = 10.0
    #: Connections that are being started at once: to one sshd, and in all.
    starts_per_server: int = STARTS_PER_SERVER
    starts: int = 32
