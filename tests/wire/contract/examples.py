"""A contract that is right, and the means to make one fault after another in it."""

from headway.wire.contract import ContractInvalid, read_contract

#: Every table of the design's example, in our own words.
WHOLE = """\
contract = 1

[service]
name = "tickets"
team = "box-office"
runbook = "docs/when-it-hurts.md"

[jobs.test]
matrix = { python = ["3.11", "3.12"] }
run = ["uv sync --locked", { name = "unit tests", run = "uv run pytest --junitxml=report.xml" }]
reports = { junit = "report.xml" }
timeout = "20m"

[jobs.build]
needs = ["test"]
run = ["make dist"]
artifacts = ["dist/tickets.tar.gz"]

[deploy]
kind = "files"
artifact = "dist/tickets.tar.gz"
shared = ["uploads"]
prepare = "./bin/install"
once = { run = "./bin/migrate", rollback = "compatible" }
drain = { run = "touch draining", until = "./bin/idle", within = "30s" }
activate = "sudo systemctl restart tickets"
undrain = "rm -f draining"
health = { http = "http://localhost:8000/health", within = "30s" }
logs = "journalctl -u tickets -o short-iso"

[processes.mailer]
hosts = "group:back"
activate = "sudo systemctl restart mailer"

[environments.staging]
hosts = "group:rehearsal"
when = "branch == 'main'"

[environments.production]
after = "staging"
promote = "ask"
hosts = "group:front"
strategy = { kind = "canary", first = 1, then = "50%", watch = "2m" }
approval = { from = "team:box-office" }
secrets = ["DATABASE_URL"]
[environments.production.env]
LOG_LEVEL = "info"

[objectives.availability]
target = "99.9%"
window = "28d"
indicator = { kind = "http", url = "https://tickets.example/health", every = "10s" }

[oncall]
policy = "box-office"

[hosts.front1]
address = "10.0.0.11"
[hosts.front2]
address = "10.0.0.12"
[hosts.back1]
[hosts.stage1]

[groups]
front = ["front1", "front2"]
back = ["back1"]
rehearsal = ["stage1"]
"""

SHORT = """\
contract = 1
[service]
name = "tickets"
"""


def faults(text: str) -> list[str]:
    """Every fault as it is printed; empty for a text that is right."""
    try:
        read_contract(text, "headway.toml")
    except ContractInvalid as error:
        return [str(fault) for fault in error.faults]
    return []


def changed(old: str, new: str) -> str:
    """The whole contract with one place changed."""
    assert WHOLE.count(old) == 1, f"{old!r} stands {WHOLE.count(old)} times in the example"
    return WHOLE.replace(old, new)
