"""Measure Headway beside its rivals in one run and write docs/benchmarks.md.

python -m bench                 everything (`make bench`)
python -m bench pipeline hosts  only these parts; the page is not written then
"""

import importlib
import sys
import tempfile
from pathlib import Path

from bench.parts import ROOT, Row, machine

PARTS = {
    "pipeline": "Jobs and logs on this machine, beside Buildbot 4.3",
    "masking": "Masking of secrets alone, of the processor's time, beside one plain search for each form",
    "commandline": "The command line",
    "server_intake": "The server: pushes, webhooks, 256 jobs, beside Buildbot 4.3 with its web server",
    "server_releases": "The server: a release among many repositories",
    "server_logs": "The server: logs on their way to storage and to browsers",
    "server_pages": "The server: pages after years, start and rest",
    "hosts": "Hosts over OpenSSH, connections cold, beside scp and Fabric 3.2",
}
WORK = ROOT / ".bench" / "work"
COLUMNS = ["what", "Headway (median, p95)", "rival", "ahead by", "target"]

HEAD = """\
# Benchmarks

Written by `make bench`: Headway and its rivals on the same work, in the same run, on one machine. A rival's figure is the
median; *ahead by* is the ratio of the medians, above 1 where Headway is ahead. Targets are what this version set out for.

Machine: {machine}.

- *Queued to finished* is read from the rows of the run (Headway) and asked over REST every 20 ms (Buildbot, one local worker, fresh
  SQLite master). Buildbot's own overhead per step is the difference between a build of twenty steps and one of one.
- The hosts are sshd processes of their own on loopback, with stock `MaxStartups`; the account's shell has no start-up files. A slow
  `~/.bashrc` costs every SSH session its time, whoever opens it.
- The server's figures are of one real `headway up` on SQLite; load generator, browsers, jobs and git share its cores. Webhooks are as
  large as GitHub's (7 kB), signed, each of a commit of its own, and counted only if each one became a run; their time runs from
  when they were due, not from when they were sent. Buildbot's are unsigned, and one of its builders takes the newest change only.
- Pages: 100,000 runs, 20,000 deployments and 1,000 services are stored. *Weight* is the page with all its styles and scripts, as sent.
- Masking: 8 MB in pieces of 64 KiB, time of the processor. The plain search finds only what stands there whole: no base64 within something
  longer, nothing wrapped, nothing across two pieces.
- *Whole process* is what a person waits for: interpreter, configuration, connections and all.
- These figures move by tens of percents from run to run on a shared machine; the ratios move less.
"""


def table(rows: list[Row]) -> str:
    lines = [COLUMNS, ["---"] * len(COLUMNS), *(row.cells() for row in rows)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def main(wanted: list[str]) -> int:
    page = HEAD.format(machine=machine())
    for name in wanted or PARTS:
        # Not in the machine's folder for temporary files, which may be of another make than where people work.
        WORK.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=WORK) as folder:
            print(f"measuring: {name} …", file=sys.stderr)
            rows = importlib.import_module(f"bench.{name}").measure(Path(folder))
        page += f"\n## {PARTS[name]}\n\n{table(rows)}\n"
    print(page)
    if not wanted:
        (ROOT / "docs" / "benchmarks.md").write_text(page)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
