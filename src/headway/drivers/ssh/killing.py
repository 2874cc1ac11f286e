"""Ending what runs on a host: every process of a command's session, TERM first, then KILL.

A command's process group is not enough: `timeout`, `set -m` and pipelines of a shell make groups of their own.
sshd gives every channel a session of its own, so the session is exactly what the command started and did not
detach (a job of the runner calls setsid and stays out of it). Where the server makes no session (it is no sshd),
the command's descendants are ended instead. All is read from /proc by builtins of sh: no ps, no pkill needed.
"""

import asyncio
from dataclasses import dataclass

from headway.drivers.ssh.channels import open_channel
from headway.drivers.ssh.framing import BOOTSTRAP, bootstrap_line
from headway.drivers.ssh.trimmed import asyncssh

#: Prints `PID STAT-LINE` of the shell that runs it (`$$` is the same in a subshell).
IDENTIFY = 'stat=; read -r stat </proc/$$/stat 2>/dev/null; printf "%s %s\\n" "$$" "$stat"'


@dataclass(frozen=True, slots=True)
class RemoteProcess:
    """A process on a host, told apart from a later one with its number by its start time (ticks since boot)."""

    pid: int
    start: int
    session: int

    @property
    def leads(self) -> bool:
        return self.pid == self.session


def parse_identity(line: bytes) -> RemoteProcess:
    """From what IDENTIFY printed. Without /proc there is a pid only, and `start` is 0."""
    pid, _, stat = line.strip().partition(b" ")
    fields = stat.rpartition(b") ")[2].split()
    if len(fields) < 20:
        return RemoteProcess(int(pid), 0, 0)
    # proc(5): state ppid pgrp session … starttime is the 22nd field, the 20th after the name.
    return RemoteProcess(int(pid), int(fields[19]), int(fields[3]))


# `cat` reads all of them at once: `read` takes a pipe byte by byte, 0.1 s for 300 processes.
_END = r"""
newline='
'
look() {
  all=$(cat /proc/[0-9]*/stat 2>/dev/null)
  family=$pid; before=
  while [ "$family" != "$before" ]; do
    before=$family; found=
    IFS=$newline; set -f
    for line in $all; do
      IFS=' '
      id=${line%% *}; set -- ${line##*) }
      if [ "$id" = "$pid" ] && [ "${20}" != "$start" ]; then echo other; exit 0; fi
      case $1 in [ZX]) continue ;; esac
      if [ "$leads" = 1 ]; then [ "$4" = "$session" ] && found="$found $id"; continue; fi
      case " $family " in *" $2 "*) case " $family " in *" $id "*) ;; *) family="$family $id" ;; esac ;; esac
      case " $family " in *" $id "*) found="$found $id" ;; esac
    done
    set +f; IFS=' '
  done
}
left() {
  set -- $found; found=
  for id in "$@"; do
    line=; read -r line <"/proc/$id/stat" || continue
    case ${line##*) } in [ZX]*) ;; *) found="$found $id" ;; esac
  done
} 2>/dev/null
look
[ -z "$found" ] || { kill -TERM $found; kill -CONT $found; } 2>/dev/null
n=0
while [ -n "$found" ] && [ "$n" -lt 10 ]; do sleep 0.1 2>/dev/null || { sleep 1; n=$((n + 9)); }; n=$((n + 1)); left; done
n=0; look
while [ -n "$found" ] && [ "$n" -lt 5 ]; do kill -KILL $found 2>/dev/null; sleep 0.05 2>/dev/null || sleep 1; n=$((n + 1)); look; done
set -- $found
echo "left $#"
"""


def end_script(process: RemoteProcess) -> str:
    """Prints `left N` (processes that would not end), or `other` when the number belongs to a stranger by now."""
    leads = 1 if process.leads else 0
    return f"pid={process.pid}; start={process.start}; session={process.session}; leads={leads}\n{_END}"


async def end_processes(connection: asyncssh.SSHClientConnection, process: RemoteProcess) -> int | None:
    """Ends a command on its host through a channel of its own. How many processes are left; None if it cannot be said.

    Raises asyncssh.Error or OSError when the host cannot be asked.
    """
    if process.start == 0:
        return None
    channel = await open_channel(connection, BOOTSTRAP)
    said = bytearray()
    channel.on_output = said.extend
    channel.write(bootstrap_line(end_script(process)))
    await asyncio.wait({channel.ended})
    words = said.decode("ascii", "replace").split()
    match words:
        case ["left", count]:
            return int(count)
        case ["other"]:
            return 0
    return None
