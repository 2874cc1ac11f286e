"""How a server is run. Read from the command line and the environment by `main.settings`."""

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

#: What a server can do; a process may be given some of it.
DUTIES = ("web", "intake", "runs", "deployments", "outbox", "janitor")


@dataclass(frozen=True, slots=True)
class ServerSettings:
    host: str = "127.0.0.1"
    #: 0: any that is free.
    port: int = 8080
    #: How people reach it, without a slash at the end; empty: http:// and where it listens.
    url: str = ""
    duties: frozenset[str] = field(default_factory=lambda: frozenset(DUTIES))
    #: Jobs at the same time on this machine.
    slots: int = 2
    #: Bytes of memory that all jobs together may take, where the machine allows a ceiling; None: no ceiling.
    jobs_memory: int | None = None
    #: Whose `X-Forwarded-For` and `-Proto` are believed; empty: nobody's.
    trusted_proxies: str = ""
    #: The organisation's file.
    org_file: Path = Path("org.toml")
    #: Whether that was named, and so has to be there.
    org_is_named: bool = False
    #: Forget the secrets that no key here opens.
    new_key: bool = False
    #: The largest push that hosted repositories take, in bytes.
    largest_push: int = 512 * 2**20
    #: How long a stop waits for requests and ticks under way.
    stop_within: timedelta = timedelta(seconds=10)

    def runs(self, duty: str) -> bool:
        return duty in self.duties
