"""docs/headway.example.toml: a whole contract whose comments are the models' own descriptions.

The values make one contract that is read without a fault; keys that it does not use stand in it commented out.
"""

from typing import Any

from headway.wire.contract.manual import SECTIONS
from headway.wire.contract.shape import ContractFile
from headway.wire.strict.commented import commented, commented_tables

_HEAD = """\
# A contract with every key that there is, commented from the same descriptions as docs/configuration.md.
# Keys that this service does not need are commented out. Yours may be far shorter: see `headway init`.
"""

#: Header of the table -> its model and what stands in it, in the order of the file.
_VALUES: tuple[tuple[str, dict[str, Any]], ...] = (
    (
        "service",
        {
            "name": "tickets",
            "team": "box-office",
            "runbook": "docs/when-it-hurts.md",
            "description": "Sells seats.",
        },
    ),
    (
        "triggers",
        {
            "push": {"branches": ["main", "release/*"]},
            "tags": ["v*"],
            "pull_requests": {"base": ["main"]},
            "cron": [
                {
                    "name": "nightly",
                    "at": "30 3 * * *",
                    "zone": "Europe/Berlin",
                    "parameters": {"level": "full"},
                }
            ],
            "releases": ["seat-plan"],
        },
    ),
    (
        "parameters.level",
        {
            "type": "choice",
            "choices": ["quick", "full"],
            "default": "quick",
            "description": "How much is tested.",
        },
    ),
    ("pipeline", {"priority": 10, "cancel_running": True}),
    (
        "jobs.unit",
        {
            "run": [
                "python3 -m venv .venv && .venv/bin/pip install --quiet --requirement requirements.txt",
                {"name": "unit tests", "run": ".venv/bin/pytest --junitxml=report.xml"},
            ],
            "matrix": {"database": ["sqlite", "postgresql"]},
            "timeout": "20m",
            "idle_timeout": "5m",
            "retry": {"max": 1, "on": ["errored"]},
            "reports": {"junit": "report.xml"},
        },
    ),
    (
        "jobs.package",
        {
            "run": "make dist",
            "needs": ["unit"],
            "when": "branch == 'main' or matches(tag, 'v*')",
            "artifacts": ["dist/tickets.tar.gz"],
            "concurrency": "packaging",
        },
    ),
    (
        "deploy",
        {
            "kind": "files",
            "artifact": "dist/tickets.tar.gz",
            "root": "apps/{service}/{environment}",
            "shared": ["uploads"],
            "prepare": "./bin/install",
            "once": {"run": "./bin/migrate", "rollback": "compatible"},
            "activate": "systemctl --user restart tickets",
            "keep": 3,
            "deactivate": "systemctl --user stop tickets",
            "drain": {"run": "touch draining", "until": "./bin/idle", "within": "45s"},
            "undrain": "rm -f draining",
            "health": {
                "http": "http://localhost:8000/health?zone={labels.zone}",
                "expect": {"status": 200, "body": "ok", "header": {"X-Release": "{release}"}},
                "within": "1m",
                "successes": 2,
            },
            "logs": "journalctl --user -u tickets -o short-iso",
        },
    ),
    (
        "processes.mailer",
        {
            "activate": "systemctl --user restart mailer",
            "hosts": ["back1"],
            "health": [{"tcp": "localhost:2525"}, {"command": "./bin/mailer-well", "interval": "3s"}],
        },
    ),
    (
        "environments.rehearsal",
        {"hosts": "stage1", "when": "branch == 'main'", "processes": {"mailer": "stage1"}},
    ),
    (
        "environments.production",
        {
            "hosts": "group:front",
            "strategy": {"kind": "canary", "first": 1, "then": "50%", "watch": "2m"},
            "after": "rehearsal",
            "after_recorded": False,
            "promote": "ask",
            "approval": {"from": "team:box-office", "comment": True, "not_own": True},
            "secrets": ["DATABASE_URL"],
            "env": {"LOG_LEVEL": "info"},
            "production": True,
        },
    ),
    ("hosts.front1", {"address": "10.0.0.11", "port": 22, "user": "deploy", "labels": {"zone": "north"}}),
    ("hosts.front2", {"address": "10.0.0.12", "labels": {"zone": "south"}}),
    ("hosts.back1", {"address": "back1.example"}),
    ("hosts.stage1", {"labels": {"zone": "rehearsal"}}),
    ("groups", {"front": ["front1", "front2"]}),
    (
        "objectives.availability",
        {
            "target": "99.9%",
            "window": "28d",
            "indicator": {"kind": "http", "url": "https://tickets.example/health", "every": "10s"},
        },
    ),
    ("oncall", {"policy": "box-office"}),
)


def example() -> str:
    """The commented example as TOML."""
    top = commented(ContractFile, {"contract": 1}, (), only=("contract", "services"))
    return "\n".join([_HEAD, top, *commented_tables(ContractFile, SECTIONS, _VALUES)])
