"""[triggers], [parameters], [pipeline], and what jobs and approvals learned for servers: values and faults."""

from datetime import timedelta

import pytest

from headway.domain.contract import (
    ApprovalSpec,
    Concurrency,
    CronTrigger,
    ParameterKind,
    ParameterSpec,
    PipelineSpec,
    PullRequestTrigger,
    PushTrigger,
    Superseded,
    TriggerSpec,
)
from headway.wire.contract import read_contract
from headway.wire.contract.notes import needs_server
from tests.wire.contract.examples import SHORT, WHOLE, changed, faults

APPROVAL = 'approval = { from = "team:box-office" }'


def triggers(keys: str) -> TriggerSpec:
    return read_contract(f"{SHORT}[triggers]\n{keys}\n").triggers


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("", TriggerSpec()),
        (
            "push = true\ntags = true\npull_requests = true",
            TriggerSpec(PushTrigger(), ("**",), PullRequestTrigger()),
        ),
        ("push = false\ntags = false\npull_requests = false", TriggerSpec(None, (), None)),
        (
            'push = { branches = ["main", "release/*"], paths = ["src/**"] }\ntags = ["v*"]',
            TriggerSpec(PushTrigger(("main", "release/*"), ("src/**",)), ("v*",)),
        ),
        ('pull_requests = { base = ["main"] }', TriggerSpec(pull_requests=PullRequestTrigger(("main",)))),
        ('releases = ["library"]', TriggerSpec(releases=("library",))),
        (
            'cron = [{ name = "nightly", at = " 0  3 * * * " }, { name = "weekly", at = "0 4 * * SUN", '
            'zone = "Europe/Berlin", branch = "main" }]',
            TriggerSpec(
                cron=(
                    CronTrigger("nightly", "0 3 * * *"),
                    CronTrigger("weekly", "0 4 * * SUN", "Europe/Berlin", "main"),
                )
            ),
        ),
    ],
)
def test_triggers(keys: str, expected: TriggerSpec) -> None:
    assert triggers(keys) == expected


PARAMETERS = """
[parameters.level]
type = "choice"
choices = ["quick", "full"]
default = "quick"
description = "How much."
[parameters.count]
type = "number"
default = 3
[parameters.loud]
type = "boolean"
default = false
[parameters.note]
[parameters.who]
required = true
"""


def test_parameters() -> None:
    assert read_contract(SHORT + PARAMETERS).parameters == {
        "level": ParameterSpec("level", ParameterKind.CHOICE, "quick", ("quick", "full"), "How much."),
        "count": ParameterSpec("count", ParameterKind.NUMBER, "3"),
        "loud": ParameterSpec("loud", ParameterKind.BOOLEAN, "false"),
        "note": ParameterSpec("note"),
        "who": ParameterSpec("who", required=True),
    }
    assert ParameterSpec("level").variable == "PARAMETER_LEVEL"


def test_a_cron_run_with_parameters() -> None:
    cron = '[triggers]\ncron = [{ name = "n", at = "0 3 * * *", parameters = { level = "full", count = 2.5, loud = true, who = "x" } }]\n'
    (entry,) = read_contract(SHORT + cron + PARAMETERS).triggers.cron
    assert entry.parameters == {"level": "full", "count": "2.5", "loud": "true", "who": "x"}


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("", PipelineSpec()),
        ('concurrency = "deploy"', PipelineSpec(Concurrency("deploy"))),
        (
            'concurrency = { group = "deploy", limit = 2 }\npriority = -3\nsuperseded = "keep"',
            PipelineSpec(Concurrency("deploy", 2), -3, Superseded.KEEP),
        ),
        ("cancel_running = true", PipelineSpec(cancel_running=True)),
    ],
)
def test_the_pipeline(keys: str, expected: PipelineSpec) -> None:
    assert read_contract(f"{SHORT}[pipeline]\n{keys}\n").pipeline == expected


def test_a_job_on_a_server() -> None:
    job = read_contract(f'{SHORT}[jobs.a]\nrun = "x"\nconcurrency = "gpu"\nslots = 2\npriority = 5\n').jobs[
        "a"
    ]
    assert (job.concurrency, job.slots, job.priority) == (Concurrency("gpu", 1), 2, 5)


@pytest.mark.parametrize(
    ("written", "expected", "in_words"),
    [
        (APPROVAL, ApprovalSpec(1, ("team:box-office",)), "team:box-office"),
        (
            'approval = { from = ["ada", "role:operator"], count = 2, comment = true, expires = "4h", not_own = true }',
            ApprovalSpec(2, ("ada", "role:operator"), timedelta(hours=4), not_own=True, comment=True),
            "ada, role:operator",
        ),
    ],
)
def test_approvals(written: str, expected: ApprovalSpec, in_words: str) -> None:
    production = read_contract(changed(APPROVAL, written)).environments["production"]
    assert (production.approval, production.approval_from) == (expected, in_words)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            APPROVAL,
            'approval = { from = "tema:box-office" }',
            "44:21 environments.production.approval.from: 'tema:box-office' names nobody; did you mean 'team:box-office'?",
        ),
        (
            APPROVAL,
            'approval = { from = "role:oprator" }',
            "44:21 environments.production.approval.from: 'oprator' is no role; did you mean 'role:operator'?",
        ),
        (
            APPROVAL,
            'approval = { from = ["ada"], count = 2 }',
            "44:38 environments.production.approval.count: found the number 2, and 1 person is named in from; "
            "allowed is a number from 1 to 1",
        ),
    ],
)
def test_faults_of_approvals(old: str, new: str, message: str) -> None:
    assert faults(changed(old, new)) == [f"headway.toml:{message}"]


CRON = '[triggers]\ncron = [{{ name = "n", {} }}]\n'


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        (
            "[triggers]\npush = 3\n",
            ["5:8 triggers.push: found the number 3; allowed is true, false or a table { branches, paths }"],
        ),
        (
            "[triggers]\ntag = true\n",
            ["5:1 triggers.tag: 'tag' is no known key; did you mean 'tags'?"],
        ),
        (
            "[triggers]\npush = { branchs = ['x'] }\n",
            ["5:10 triggers.push.branchs: 'branchs' is no known key; did you mean 'branches'?"],
        ),
        (
            "[triggers]\ntags = ['refs/tags/v*', '!x', '!x']\n",
            [
                "5:9 triggers.tags[0]: 'refs/tags/v*' is the whole name of a ref; write the short one, such as 'main'",
                "5:31 triggers.tags[2]: '!x' stands in this list twice",
            ],
        ),
        (
            "[triggers]\npull_requests.base = ['!x']\n",
            [
                "5:23 triggers.pull_requests.base[0]: '!x' takes out of an empty list; write first what is taken in, such as '**'"
            ],
        ),
        (
            "[triggers]\npush.paths = ['src', 'x', '!']\n",
            [
                "5:27 triggers.push.paths[2]: '!' is no glob of files; allowed is such as 'src/**'",
            ],
        ),
        (
            "[triggers]\nreleases = ['tickets']\n",
            [
                "5:13 triggers.releases[0]: 'tickets' is this service itself: each release would begin the next run"
            ],
        ),
        (
            CRON.format("at = '0 3 * *'"),
            [
                "5:28 triggers.cron[0].at: '0 3 * *' has not five fields; allowed are five fields: "
                "minute hour day month weekday, such as '0 3 * * *'"
            ],
        ),
        (
            CRON.format("at = '0 25 * * *'"),
            [
                "5:28 triggers.cron[0].at: '0 25 * * *' is no time of cron: the hour is wrong; allowed are five fields: "
                "minute hour day month weekday, such as '0 3 * * *'"
            ],
        ),
        (
            CRON.format("at = '0 3 31 2 *'"),
            [
                "5:28 triggers.cron[0].at: '0 3 31 2 *' is no time of cron: the day of the month is wrong; allowed are "
                "five fields: minute hour day month weekday, such as '0 3 * * *'"
            ],
        ),
        (
            CRON.format("at = '0 3 * * *', zone = 'Europe/Berln'"),
            ["5:48 triggers.cron[0].zone: 'Europe/Berln' is no time zone; did you mean 'Europe/Berlin'?"],
        ),
        (
            CRON.format("at = '0 3 * * *', zone = '../etc'"),
            [
                "5:48 triggers.cron[0].zone: '../etc' is no time zone; allowed is a name such as 'Europe/Berlin' or 'UTC'"
            ],
        ),
        (
            CRON.format("at = '0 3 * * *', parameters = { x = 'y' }"),
            [
                "5:56 triggers.cron[0].parameters.x: 'x' is no parameter; there is no [parameters] table",
            ],
        ),
        (
            CRON.format("at = '0 3 * * *'") + "[parameters.who]\nrequired = true\n",
            ["5:9 triggers.cron[0].parameters: gives no value for who, which is required"],
        ),
        (
            CRON.format("at = '0 3 * * *', parameters = { n = 'y' }") + "[parameters.n]\ntype = 'number'\n",
            ["5:60 triggers.cron[0].parameters.n: found 'y'; allowed is a number, such as 3 or -0.5"],
        ),
        (
            "[triggers]\ncron = [{ name = 'n', at = '0 3 * * *' }, { name = 'n', at = '0 4 * * *' }]\n",
            ["5:52 triggers.cron[1].name: 'n' stands in this list twice"],
        ),
        (
            "[parameters.level]\ntype = 'choice'\ndefault = 'x'\n",
            ['4:13 parameters.level.choices: is missing; write it, such as: choices = ["quick", "full"]'],
        ),
        (
            "[parameters.level]\ntype = 'choice'\nchoices = ['quick', 'full']\ndefault = 'fll'\n",
            ["7:11 parameters.level.default: 'fll' is not among the choices; did you mean 'full'?"],
        ),
        (
            "[parameters.level]\nchoices = ['a']\nrequired = true\ndefault = 3\n",
            [
                "5:1 parameters.level.choices: belongs to type 'choice', and the type here is 'text'",
                "7:1 parameters.level.default: stands beside required = true, which says that there is none; it is one or the other",
                "7:11 parameters.level.default: found the number 3; allowed is text of at most 4096 characters in quotes",
            ],
        ),
        (
            "[parameters.a]\n[parameters.A]\n",
            ["5:13 parameters.A: 'a' and 'A' would both arrive as PARAMETER_A"],
        ),
        (
            "[parameters.on]\ntype = 'boolean'\ndefault = 'yes'\n",
            ["6:11 parameters.on.default: found 'yes'; allowed is true or false"],
        ),
        (
            "[parameters.n]\ntype = 'number'\ndefault = inf\n",
            ["6:11 parameters.n.default: found a number; allowed is a number, such as 3 or -0.5"],
        ),
        (
            "[pipeline]\nsuperseded = 'colapse'\npriority = 101\n",
            [
                "5:14 pipeline.superseded: 'colapse' is not known here; did you mean 'collapse'?",
                "6:12 pipeline.priority: found the number 101; allowed is up to 100",
            ],
        ),
        (
            "[pipeline]\nsuperseded = 'keep'\ncancel_running = true\n",
            [
                "6:18 pipeline.cancel_running: cancels what runs, and superseded = 'keep' keeps what waits; "
                "it is one or the other"
            ],
        ),
        (
            "[pipeline]\nconcurrency = { limit = 0 }\n",
            [
                '5:1 pipeline.concurrency.group: is missing; write it, such as: group = "gpu"',
                "5:25 pipeline.concurrency.limit: found the number 0; allowed is 1 or more",
            ],
        ),
    ],
)
def test_faults(text: str, messages: list[str]) -> None:
    assert faults(SHORT + text) == [f"headway.toml:{message}" for message in messages]


def test_what_needs_a_server_is_named_only_where_it_stands() -> None:
    assert needs_server(read_contract(SHORT)) == {}
    assert set(needs_server(read_contract(WHOLE))) == {"service.team", "environments.approval"}
    everything = """
[triggers]
tags = false
[pipeline]
priority = 1
[parameters.a]
[jobs.a]
run = "x"
slots = 2
priority = 1
concurrency = "gpu"
"""
    assert set(needs_server(read_contract(SHORT + everything))) == {
        "triggers", "pipeline", "jobs.concurrency", "jobs.slots", "jobs.priority",
    }  # fmt: skip
    promoted = changed('promote = "ask"', 'promote = "automatic"')
    assert needs_server(read_contract(promoted))["environments.promote"] == "going on by itself"
