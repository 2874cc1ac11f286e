"""What a right contract becomes: each key of the file in its place, each default filled in."""

from datetime import timedelta

import pytest

from headway.domain.contract import (
    Amount,
    DeployKind,
    Drain,
    Expect,
    HealthCheck,
    HealthFrom,
    HealthKind,
    HostSpec,
    JobDefinition,
    Once,
    ProcessSpec,
    Promote,
    Retry,
    ServiceSpec,
    StepDefinition,
    Strategy,
    StrategyKind,
)
from headway.domain.states import State
from headway.wire.contract import read_contract
from tests.wire.contract.examples import SHORT, WHOLE


def job(keys: str) -> JobDefinition:
    return read_contract(f"{SHORT}[jobs.one]\n{keys}\n").jobs["one"]


def test_the_shortest_contract() -> None:
    contract = read_contract(SHORT)
    assert contract.version == 1
    assert contract.service == ServiceSpec("tickets")
    assert not contract.jobs and contract.deploy is None and not contract.environments


def test_jobs_of_the_whole_example() -> None:
    contract = read_contract(WHOLE)
    assert contract.service == ServiceSpec("tickets", "box-office", "docs/when-it-hurts.md")
    assert contract.jobs == {
        "test": JobDefinition(
            "test",
            (
                StepDefinition("uv sync --locked", "uv sync --locked"),
                StepDefinition("unit tests", "uv run pytest --junitxml=report.xml"),
            ),
            matrix={"python": ("3.11", "3.12")},
            junit=("report.xml",),
            timeout=timedelta(minutes=20),
        ),
        "build": JobDefinition(
            "build",
            (StepDefinition("make dist", "make dist"),),
            needs=("test",),
            artifacts=("dist/tickets.tar.gz",),
        ),
    }


def test_deploy_of_the_whole_example() -> None:
    deploy = read_contract(WHOLE).deploy
    assert deploy is not None
    assert deploy.kind is DeployKind.FILES
    assert deploy.artifact == "dist/tickets.tar.gz"
    assert deploy.root == "headway/{service}/{environment}"
    assert deploy.once == Once("./bin/migrate", rollback_compatible=True)
    assert deploy.processes == (
        ProcessSpec(
            "main",
            activate="sudo systemctl restart tickets",
            drain=Drain("touch draining", "./bin/idle", timedelta(seconds=30)),
            undrain="rm -f draining",
            health=(HealthCheck(HealthKind.HTTP, "http://localhost:8000/health"),),
            logs="journalctl -u tickets -o short-iso",
        ),
        ProcessSpec("mailer", activate="sudo systemctl restart mailer", hosts=("group:back",)),
    )


def test_environments_of_the_whole_example() -> None:
    environments = read_contract(WHOLE).environments
    staging, production = environments["staging"], environments["production"]
    assert list(environments) == ["staging", "production"]
    assert staging.when == "branch == 'main'"
    assert not staging.production and production.production
    assert staging.strategy == Strategy(StrategyKind.ROLLING, Amount(1))
    assert production.strategy == Strategy(
        StrategyKind.CANARY, Amount(50, percent=True), Amount(1), timedelta(minutes=2)
    )
    assert production.after == "staging" and production.promote is Promote.ASK
    assert production.approval_from == "team:box-office"
    assert production.secrets == ("DATABASE_URL",) and production.env == {"LOG_LEVEL": "info"}


def test_hosts_objectives_and_oncall_of_the_whole_example() -> None:
    contract = read_contract(WHOLE)
    assert contract.hosts["front1"] == HostSpec("front1", "10.0.0.11")
    assert contract.hosts["back1"] == HostSpec("back1", "back1"), (
        "the name is the address where none is given"
    )
    assert contract.groups["front"] == ("front1", "front2")
    objective = contract.objectives["availability"]
    assert objective.target == 0.999 and objective.window == timedelta(days=28)
    assert objective.indicator["every"] == "10s"
    assert contract.oncall_policy == "box-office"


@pytest.mark.parametrize(
    ("run", "names"),
    [
        ('run = "make"', ["make"]),
        ('run = ["make", "make dist"]', ["make", "make dist"]),
        ('run = { name = "all", run = "make" }', ["all"]),
        ('run = """\n# comment\n\n  cd web\n  npm test\n"""', ["cd web"]),
        ('run = "# nothing but a comment"', ["# nothing but a comment"]),
        (f'run = "{"x" * 80}"', ["x" * 71 + "…"]),
    ],
)
def test_forms_of_run_and_the_names_of_steps(run: str, names: list[str]) -> None:
    assert [step.name for step in job(run).steps] == names


def test_a_step_with_everything() -> None:
    (step,) = job(
        'run = { run = "x", env = { A = "b" }, working_directory = "web", shell = "bash -eu" }'
    ).steps
    assert step == StepDefinition("x", "x", {"A": "b"}, "web", ("bash", "-eu"))


@pytest.mark.parametrize(
    ("retry", "expected"),
    [
        ("2", Retry(2, frozenset({State.ERRORED}))),
        ("{ max = 1 }", Retry(1, frozenset({State.ERRORED}))),
        ('{ max = 3, on = ["errored", "failed"] }', Retry(3, frozenset({State.ERRORED, State.FAILED}))),
        ("0", None),
        ('{ max = 0, on = ["failed"] }', None),
    ],
)
def test_forms_of_retry(retry: str, expected: Retry | None) -> None:
    assert job(f'run = "x"\nretry = {retry}').retry == expected


def test_the_other_keys_of_a_job() -> None:
    assert job(
        """\
run = "x"
env = { A = "" }
secrets = ["TOKEN"]
idle_timeout = "90s"
allow_failure = true
when = "not dirty"
reports.junit = ["a/*.xml", "b.xml"]
working_directory = "web"
shell = ["bash", "-eu"]
output_limit = "1MiB"
"""
    ) == JobDefinition(
        "one",
        (StepDefinition("x", "x"),),
        env={"A": ""},
        secrets=("TOKEN",),
        idle_timeout=timedelta(seconds=90),
        allow_failure=True,
        when="not dirty",
        junit=("a/*.xml", "b.xml"),
        working_directory="web",
        shell=("bash", "-eu"),
        output_limit=2**20,
    )


SCRIPT = f"""{SHORT}
[deploy]
kind = "script"
run = "./switch {{release}}"
rollback = "./back {{release}} {{labels.zone}}"
once = "./migrate"
drain = "./drain"
root = "/srv/{{service}}"
keep = 0
timeout = "1m"
stop_within = "5s"
deactivate = "./stop"
health = [
    {{ tcp = "{{address}}:80", from = "here", interval = "2s", successes = 3, timeout = "1s" }},
    {{ command = "./well" }},
    {{ http = "http://localhost/", expect = {{ status = [200, 204], body = "{{release}}", header.X-Release = "{{release}}" }} }},
]
[environments.live]
hosts = ["a", "group:b"]
strategy = {{ kind = "rolling", batch = "25%" }}
production = true
root = "/srv/live"
[hosts.a]
user = "deploy"
port = 2222
labels = {{ zone = "north" }}
[hosts.b1]
labels.zone = "south"
[groups]
b = ["b1"]
"""


def test_a_deployment_by_script() -> None:
    contract = read_contract(SCRIPT)
    deploy = contract.deploy
    assert deploy is not None
    assert (deploy.kind, deploy.run, deploy.rollback) == (
        DeployKind.SCRIPT,
        "./switch {release}",
        "./back {release} {labels.zone}",
    )
    (main,) = deploy.processes
    assert deploy.once == Once("./migrate") and main.drain == Drain("./drain")
    assert main.health == (
        HealthCheck(
            HealthKind.TCP,
            "{address}:80",
            interval=timedelta(seconds=2),
            successes=3,
            source=HealthFrom.HERE,
            timeout=timedelta(seconds=1),
        ),
        HealthCheck(HealthKind.COMMAND, "./well"),
        HealthCheck(
            HealthKind.HTTP,
            "http://localhost/",
            expect=Expect((200, 204), "{release}", (("X-Release", "{release}"),)),
        ),
    )
    assert deploy.keep == 0 and main.stop_within == timedelta(seconds=5) and main.deactivate == "./stop"
    live = contract.environments["live"]
    assert live.hosts == ("a", "group:b") and live.production and live.root == "/srv/live"
    assert live.strategy == Strategy(StrategyKind.ROLLING, Amount(25, percent=True))
    assert contract.hosts["a"] == HostSpec("a", "a", 2222, "deploy", {"zone": "north"})


def test_a_process_on_other_hosts_in_one_environment() -> None:
    text = WHOLE + '\n[environments.staging.processes]\nmailer = ["stage1"]\n'
    assert read_contract(text).environments["staging"].processes == {"mailer": ("stage1",)}


def test_a_root_file_lists_the_services_of_its_repository() -> None:
    assert read_contract(
        SHORT.replace("[service]", 'services = ["shop", "billing"]\n[service]')
    ).services == (
        "shop",
        "billing",
    )


def test_artifacts_may_come_from_another_system() -> None:
    text = SHORT + '[deploy]\nkind = "files"\nartifact = "app.tar.gz"\n'
    assert read_contract(text).deploy is not None


def test_an_artifact_may_be_taken_in_by_a_glob() -> None:
    text = WHOLE.replace('artifacts = ["dist/tickets.tar.gz"]', 'artifacts = ["dist/*.gz"]')
    assert read_contract(text).deploy is not None
