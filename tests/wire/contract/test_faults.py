"""One row a kind of fault: what was changed in a right contract, and the whole message."""

import pytest

from headway.base.errors import WrongUse
from headway.wire.contract import ContractInvalid, read_contract
from tests.wire.contract.examples import SHORT, WHOLE, changed, faults


@pytest.mark.parametrize(
    ("old", "new", "messages"),
    [
        (
            "timeout =",
            "timeuot =",
            ["12:1 jobs.test.timeuot: 'timeuot' is no known key; did you mean 'timeout'?"],
        ),
        (
            "policy =",
            "escalation =",
            [
                '54:2 oncall.policy: is missing; write it, such as: policy = "storefront"',
                "55:1 oncall.escalation: 'escalation' is no known key; allowed: policy",
            ],
        ),
        (
            'run = ["make dist"]',
            'run = { script = "x", run = "x" }',
            [
                "16:9 jobs.build.run.script: 'script' is no known key; allowed: run, name, env, working_directory, shell"
            ],
        ),
        (
            'run = ["make dist"]\n',
            "",
            [
                '14:7 jobs.build.run: is missing; write it, such as: run = ["make lint", { name = "unit tests", run = "make test" }]'
            ],
        ),
        (
            'hosts = "group:rehearsal"\n',
            "",
            ['35:15 environments.staging.hosts: is missing; write it, such as: hosts = "group:web"'],
        ),
        (
            'timeout = "20m"',
            "timeout = 20",
            [
                "12:11 jobs.test.timeout: found the number 20; allowed is a duration in quotes, such as '90s' or '1h30m'"
            ],
        ),
        (
            '["3.11", "3.12"]',
            "[3.11, 3.10]",
            [
                "9:22 jobs.test.matrix.python[0]: found the number 3.11; allowed is text in quotes",
                "9:28 jobs.test.matrix.python[1]: found the number 3.1; allowed is text in quotes",
            ],
        ),
        ('needs = ["test"]', 'needs = "test"', ["15:9 jobs.build.needs: found 'test'; allowed is a list"]),
        (
            'run = ["make dist"]',
            "run = true",
            ["16:7 jobs.build.run: found true; allowed is text, a table { name, run, … } or a list of these"],
        ),
        (
            'run = ["make dist"]',
            "run = []",
            ["16:7 jobs.build.run: found an empty list; allowed is one item or more"],
        ),
        (
            'run = ["make dist"]',
            'run = [["make"]]',
            ["16:8 jobs.build.run[0]: found a list; allowed is text or a table { name, run, … }"],
        ),
        (
            'run = ["make dist"]',
            'run = " "',
            ["16:7 jobs.build.run: found empty text; allowed is text with something in it"],
        ),
        (
            '[oncall]\npolicy = "box-office"',
            '[[oncall]]\npolicy = "x"',
            ["54:3 oncall: found a list; allowed is a table"],
        ),
        (
            'once = { run = "./bin/migrate", rollback = "compatible" }',
            "once = 1979-05-27",
            ["24:8 deploy.once: found the date 1979-05-27; allowed is text or a table { run, rollback }"],
        ),
        (
            'kind = "files"',
            'kind = "file"',
            ["20:8 deploy.kind: 'file' is not known here; did you mean 'files'?"],
        ),
        (
            'kind = "files"',
            'kind = "container"',
            ["20:8 deploy.kind: 'container' is not known here; allowed: files, script"],
        ),
        (
            'promote = "ask"',
            "promote = true",
            ["41:11 environments.production.promote: found true; allowed is 'ask', 'automatic'"],
        ),
        (
            'kind = "canary"',
            'kind = "canarie"',
            ["43:21 environments.production.strategy.kind: 'canarie' is no strategy; did you mean 'canary'?"],
        ),
        (
            'kind = "canary", ',
            "",
            ["43:1 environments.production.strategy.kind: is missing; allowed: rolling, canary"],
        ),
        (
            'strategy = { kind = "canary", first = 1, then = "50%", watch = "2m" }',
            'strategy = "rolling"',
            [
                "43:12 environments.production.strategy: found 'rolling'; allowed is a table { kind = 'rolling', … } or { kind = 'canary', … }"
            ],
        ),
        (
            'within = "30s" }\nactivate',
            'within = "soon" }\nactivate',
            [
                "25:66 deploy.drain.within: 'soon' is not a duration; write a number with ms, s, m, h, d or w, such as 90s or 1h30m"
            ],
        ),
        (
            'timeout = "20m"',
            'timeout = "0s"',
            [
                "12:11 jobs.test.timeout: found a duration of nothing; allowed is anything longer, such as '30s'"
            ],
        ),
        (
            'timeout = "20m"',
            'timeout = "999999999999w"',
            ["12:11 jobs.test.timeout: '999999999999w' is too long; allowed is up to 366d"],
        ),
        (
            'timeout = "20m"',
            'output_limit = "lots"',
            [
                "12:16 jobs.test.output_limit: 'lots' is not a size; write a whole number with B, kB, MB, GB, KiB, MiB or GiB, such as 64MiB"
            ],
        ),
        (
            'timeout = "20m"',
            'output_limit = "3B"',
            ["12:16 jobs.test.output_limit: '3B' is out of range; allowed is from 1KiB to 1024GiB"],
        ),
        ('timeout = "20m"', "retry = 11", ["12:9 jobs.test.retry: found the number 11; allowed is up to 10"]),
        (
            'timeout = "20m"',
            'retry = { max = 1, on = ["cancelled"] }',
            ["12:26 jobs.test.retry.on[0]: 'cancelled' is not known here; allowed: errored, failed"],
        ),
        (
            'then = "50%"',
            'then = "0%"',
            [
                "43:49 environments.production.strategy.then: found '0%'; allowed is a number of hosts from 1, or a whole percentage from '1%' to '100%'"
            ],
        ),
        (
            'then = "50%"',
            'then = "half"',
            [
                "43:49 environments.production.strategy.then: 'half' is not a percentage; write a number and %, such as '50%'"
            ],
        ),
        (
            'target = "99.9%"',
            'target = "100%"',
            [
                "50:10 objectives.availability.target: '100%' is no possible target; allowed is more than 0% and less than 100%: at 100% there is no error budget at all"
            ],
        ),
        (
            'secrets = ["DATABASE_URL"]',
            'secrets = ["DATABASE-URL"]',
            [
                "45:12 environments.production.secrets[0]: 'DATABASE-URL' is no name of a variable; allowed are letters, digits and '_', not beginning with a digit"
            ],
        ),
        (
            'LOG_LEVEL = "info"',
            'HEADWAY_HOST = "x"',
            [
                "47:1 environments.production.env.HEADWAY_HOST: 'HEADWAY_HOST' is set by Headway itself; take another name"
            ],
        ),
        (
            'timeout = "20m"',
            'pass_env = ["JAVA_HOME", "GIT_DIR"]',
            [
                "12:26 jobs.test.pass_env[1]: 'GIT_DIR' is never handed to a job, because Headway's and git's own variables would lead it astray; give the job a value under env"
            ],
        ),
        (
            'timeout = "20m"',
            'pass_env = ["TOKEN", "TZ"]\nsecrets = ["TOKEN"]\nenv = { TZ = "UTC" }',
            [
                "12:13 jobs.test.pass_env[0]: 'TOKEN' stands in secrets as well; it is one or the other",
                "12:22 jobs.test.pass_env[1]: 'TZ' stands in env as well; it is one or the other",
            ],
        ),
        (
            'LOG_LEVEL = "info"',
            "LOG_LEVEL = 3",
            ["47:13 environments.production.env.LOG_LEVEL: found the number 3; allowed is text in quotes"],
        ),
        (
            'name = "tickets"',
            'name = "my tickets"',
            [
                "4:8 service.name: 'my tickets' is no name; allowed are letters, digits, '.', '_' and '-', beginning with a letter or digit, at most 63"
            ],
        ),
        (
            "[jobs.build]",
            '[jobs."a b"]',
            [
                "14:7 jobs.\"a b\": 'a b' is no name; allowed are letters, digits, '.', '_' and '-', beginning with a letter or digit, at most 63"
            ],
        ),
        (
            'shared = ["uploads"]',
            'shared = ["../uploads"]',
            [
                "22:11 deploy.shared[0]: '../uploads' leaves the project; allowed is a relative path without '..', such as 'dist/app.tar.gz'"
            ],
        ),
        (
            'timeout = "20m"',
            'shell = "bash \'"',
            ["12:9 jobs.test.shell: 'bash '' cannot be split into words: No closing quotation"],
        ),
        (
            'needs = ["test"]',
            'needs = ["tset"]',
            ["15:10 jobs.build.needs[0]: 'tset' is no job; did you mean 'test'?"],
        ),
        (
            'needs = ["test"]',
            'needs = ["test", "zzz"]',
            ["15:18 jobs.build.needs[1]: 'zzz' is no job; allowed: test"],
        ),
        (
            'needs = ["test"]',
            'needs = ["test", "test"]',
            ["15:18 jobs.build.needs[1]: 'test' stands in this list twice"],
        ),
        (
            'hosts = "group:front"',
            'hosts = "group:fornt"',
            ["42:9 environments.production.hosts: 'fornt' is no group; did you mean 'front'?"],
        ),
        (
            'hosts = "group:front"',
            'hosts = "front"',
            ["42:9 environments.production.hosts: 'front' is a group; did you mean 'group:front'?"],
        ),
        (
            'hosts = "group:front"',
            'hosts = ["front1", "bakc1"]',
            ["42:20 environments.production.hosts[1]: 'bakc1' is no host; did you mean 'back1'?"],
        ),
        (
            'back = ["back1"]',
            'back = ["back1", "qqq"]',
            ["66:18 groups.back[1]: 'qqq' is no host; allowed: front1, front2, back1, stage1"],
        ),
        (
            'hosts = "group:back"',
            'hosts = "group:zz"',
            ["32:9 processes.mailer.hosts: 'zz' is no group; allowed: front, back, rehearsal"],
        ),
        (
            'after = "staging"',
            'after = "stagging"',
            ["40:9 environments.production.after: 'stagging' is no environment; did you mean 'staging'?"],
        ),
        (
            'secrets = ["DATABASE_URL"]',
            'secrets = ["LOG_LEVEL"]',
            [
                "45:12 environments.production.secrets[0]: 'LOG_LEVEL' stands in env as well; it is one or the other"
            ],
        ),
        (
            'artifact = "dist/tickets.tar.gz"',
            'artifact = "dist/ticket.tar.gz"',
            [
                "21:12 deploy.artifact: 'dist/ticket.tar.gz' is no job's artifact; did you mean 'dist/tickets.tar.gz'?"
            ],
        ),
        (
            'artifacts = ["dist/tickets.tar.gz"]\n',
            "",
            [
                "20:12 deploy.artifact: 'dist/tickets.tar.gz' is no job's artifact; write artifacts = [\"dist/tickets.tar.gz\"] in the job that makes it"
            ],
        ),
        (
            'artifact = "dist/tickets.tar.gz"\n',
            "",
            ["19:2 deploy.artifact: is missing; kind 'files' needs it"],
        ),
        (
            'shared = ["uploads"]',
            'run = "./switch"',
            ["22:1 deploy.run: belongs to kind 'script', and the kind here is 'files'"],
        ),
        (
            "[processes.mailer]",
            "[processes.main]",
            ["31:12 processes.main: 'main' is the process of [deploy] itself; take another name"],
        ),
        (
            'http = "http://localhost:8000/health", ',
            "",
            ["28:10 deploy.health: found none of them; allowed is exactly one of http, tcp, command"],
        ),
        (
            'http = "http://localhost:8000/health"',
            'http = "http://localhost/", tcp = "a:1"',
            ["28:10 deploy.health: found http and tcp; allowed is exactly one of http, tcp, command"],
        ),
        (
            'http = "http://localhost:8000/health"',
            'http = "localhost/health"',
            [
                "28:19 deploy.health.http: 'localhost/health' is no address; allowed is one that begins with http:// or https://"
            ],
        ),
        (
            'http = "http://localhost:8000/health"',
            'tcp = "localhost"',
            [
                "28:18 deploy.health.tcp: 'localhost' is no address and port; allowed is such as 'localhost:5432'"
            ],
        ),
        (
            'http = "http://localhost:8000/health"',
            'http = "http://localhost:8000/health", expect = { status = 99, body = "{relase}", header = { "a b" = "x" } }',
            [
                "28:71 deploy.health.expect.status: found the number 99; allowed is an HTTP status from 100 to 599 or a list of these, such as [200, 204]",
                "28:82 deploy.health.expect.body: '{relase}' is no placeholder; did you mean '{release}'?",
                "28:105 deploy.health.expect.header.\"a b\": 'a b' is no name of a header; allowed is such as 'X-Release'",
            ],
        ),
        (
            'http = "http://localhost:8000/health"',
            'tcp = "localhost:80", expect = { body = "x" }',
            [
                "28:34 deploy.health.expect: belongs to http; a tcp or command check has no answer that could hold it"
            ],
        ),
        (
            'http = "http://localhost:8000/health"',
            'http = "http://localhost:8000/health", expect = {}',
            ["28:60 deploy.health.expect: expects nothing; allowed are status, body, header"],
        ),
        (
            'health", within',
            'health", successes = 60, within',
            [
                "28:10 deploy.health: 60 good answers take 59s and more, and within is 30s: this can never be good"
            ],
        ),
        (
            "./bin/install",
            "./bin/install {hots}",
            ["23:11 deploy.prepare: '{hots}' is no placeholder; did you mean '{host}'?"],
        ),
        (
            "./bin/install",
            "awk '{print}' x",
            [
                "23:11 deploy.prepare: '{print}' is no placeholder; allowed: {host}, {address}, {release}, {service}, {environment}, {labels.NAME}; braces of another program take a space, as in '{ print }'"
            ],
        ),
        (
            "localhost:8000/health",
            "{labels.inner}:8000/",
            [
                "28:19 deploy.health.http: the host 'front1' of production has no label 'inner'; write it under [hosts.front1]",
                "28:19 deploy.health.http: the host 'front2' of production has no label 'inner'; write it under [hosts.front2]",
                "28:19 deploy.health.http: the host 'stage1' of staging has no label 'inner'; write it under [hosts.stage1]",
            ],
        ),
        (
            'shared = ["uploads"]',
            'root = "/srv/{host}"',
            [
                "22:8 deploy.root: '{host}' is no placeholder here; allowed: {service}, {environment}",
                "42:9 environments.production.hosts: staging and production would share the folder '/srv/{host}' on 'back1'; allowed is a root of its own for each, such as one with {environment}",
            ],
        ),
        (
            "branch == 'main'",
            "brunch == 'main'",
            [
                "37:9 environments.staging.when: 'brunch' is no name that is known here; did you mean 'branch'?"
            ],
        ),
        (
            "branch == 'main'",
            "not dirty and tag",
            [
                "37:23 environments.staging.when: tag is text, not true or false; allowed: a comparison, as in tag == '…'"
            ],
        ),
    ],
)
def test_one_fault(old: str, new: str, messages: list[str]) -> None:
    found = faults(changed(old, new))
    assert found == [f"headway.toml:{message}" for message in messages]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "headway.toml:1:1 contract: is missing; begin the file with: contract = 1"),
        ("contract = 2\nmore = 3", "headway.toml:1:12 contract: contract 2 is not known to this Headway, which reads 1; another version may"),
        ("contract = true", "headway.toml:1:12 contract: found true; allowed is the number 1"),
        ('contract = "1"', "headway.toml:1:12 contract: found '1'; allowed is the number 1"),
        ("contract = 1\n[service", "headway.toml:2:9: this is not TOML: expected ']' at the end of a table declaration"),
        ("contract = 1\nname = x\n", "headway.toml:2:8: this is not TOML: there is no value that TOML knows here; text needs quotes"),
        ("a = 1\na = 2\n", "headway.toml:2:6: this is not TOML: this key stands twice in its table"),
        ('a = """b\n', "headway.toml:1:9: this is not TOML: unterminated string"),
        ("\ufeffcontract = 1", "headway.toml:1:1: the file begins with a byte order mark; save it as UTF-8 without one"),
        ("a = " + "[" * 4000 + "]" * 4000, "headway.toml:1:29: this is nested deeper than 24 levels"),
        ("a = " + "[" * 60 + "]" * 60, "headway.toml:1:29: this is nested deeper than 24 levels"),
        ("#" * (2**20 + 1), "headway.toml:1:1: the file is 1024 KiB long; allowed are 256 KiB"),
        ("\n" + "a." * 2000 + "a = 1", "headway.toml:2:50: this is nested deeper than 24 levels"),
        ('contract = 1\nx = "\\u0000"\n', "headway.toml:2:5 x: holds a zero byte, which no script or variable can carry"),
        ('contract = 1\n"\\u0000" = 1\n', 'headway.toml:2:1 "\\u0000": holds a zero byte, which no script or variable can carry'),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_has_one_fault(text: str, message: str) -> None:
    assert faults(text) == [message]


def test_a_number_of_too_many_digits_is_a_fault() -> None:
    (fault,) = faults("a = " + "9" * 5000)
    assert fault.startswith("headway.toml:1:1: a value cannot be read: ")


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        (
            'contract = 1\n[services]\nname = "x"\n',
            [
                "1:1 service: is missing; write a table [service]",
                "2:2 services: found a table; allowed is a list",
            ],
        ),
        (
            SHORT + '[jobs.a]\nrun = "x"\nneeds = ["b"]\n[jobs.b]\nrun = "x"\nneeds = ["c"]\n[jobs.c]\nrun = "x"\nneeds = ["a"]\n',
            ["12:10 jobs.c.needs[0]: the jobs wait for one another: a → b → c → a"],
        ),
        (
            SHORT + '[jobs.a]\nrun = "x"\nneeds = ["a"]\n',
            ["6:10 jobs.a.needs[0]: the jobs wait for one another: a → a"],
        ),
        (
            SHORT + '[jobs.a]\nrun = "x"\nneeds = ["b"]\n',
            ["6:10 jobs.a.needs[0]: 'b' is no job; there is no other job"],
        ),
        (
            SHORT + '[jobs.a]\nrun = "x"\nmatrix = { py = ["1"], PY = ["1", "1"] }\n',
            [
                "6:24 jobs.a.matrix.PY: 'py' and 'PY' would both arrive as MATRIX_PY",
                "6:35 jobs.a.matrix.PY[1]: '1' stands in this list twice",
            ],
        ),
        (
            SHORT + '[environments.a]\nhosts = "h"\nafter = "b"\n[environments.b]\nhosts = "group:g"\nafter = "a"\n',
            [
                "1:1 deploy: is missing, and there is somewhere to deploy to (a, b); write [deploy] with its kind",
                "9:9 environments.b.after: the environments wait for one another: a → b → a",
            ],
        ),
        (
            SHORT + '[processes.a]\nactivate = "x"\n',
            ["1:1 deploy: is missing, and there are processes; write [deploy] with its kind"],
        ),
        (
            SHORT + '[deploy]\nkind = "script"\n[environments.e]\nhosts = ["label:a", "label:zone=sud"]\n[hosts.h.labels]\nzone = "south"\n',
            [
                "4:2 deploy.run: is missing; kind 'script' needs it",
                "7:10 environments.e.hosts[0]: 'label:a' has no value; allowed is label:NAME=VALUE",
                "7:21 environments.e.hosts[1]: 'label:zone=sud' is no host's label; did you mean 'label:zone=south'?",
            ],
        ),
        (
            SHORT + '[deploy]\nkind = "script"\nrun = "x {labels.size}"\n[environments.e]\nhosts = "label:zone=south"\n[hosts.h.labels]\nzone = "south"\n',
            ["6:7 deploy.run: the host 'h' of e has no label 'size'; write it under [hosts.h]"],
        ),
        (
            SHORT
            + '[deploy]\nkind = "script"\nrun = "x"\nroot = "/srv"\n[hosts.h]\n[environments.a]\nhosts = "h"\n'
            + '[environments.b]\nhosts = "h"\nprocesses = { worker = "h" }\n[environments.c]\nroot = "/srv/"\nhosts = ["h"]\n',
            [
                "12:9 environments.b.hosts: a and b would share the folder '/srv' on 'h'; "
                "allowed is a root of its own for each, such as one with {environment}",
                "13:15 environments.b.processes.worker: 'worker' is no process; there is no [processes] table",
                "15:8 environments.c.root: a and c would share the folder '/srv/' on 'h'; "
                "allowed is a root of its own for each, such as one with {environment}",
            ],
        ),
        (
            SHORT + "[hosts.h]\nport = 0\nlabels = { 'a b' = \"x\" }\n",
            [
                "5:8 hosts.h.port: found the number 0; allowed is 1 or more",
                "6:12 hosts.h.labels.\"a b\": 'a b' is no label; allowed are letters, digits, '_' and '-'",
            ],
        ),
        (
            SHORT + '[deploy]\nkind = "script"\nrun = "x"\nroot = "~/x"\n[environments.e]\nhosts = "h"\nroot = "/"\n[hosts.h]\n',
            [
                "7:8 deploy.root: '~/x' needs no '~'; what does not begin with '/' is relative to the user's home",
                "10:8 environments.e.root: '/' is no folder of the service's own; allowed is such as '/srv/{service}'",
            ],
        ),
        (
            SHORT + "[deploy]\nkind = 'script'\nrun = 'x'\nroot = '/srv/$(id)'\n",
            [
                "7:8 deploy.root: '/srv/$(id)' is no folder of the service's own; allowed is such as '/srv/{service}'",
            ],
        ),
        # Nothing that a terminal would act on is printed.
        (
            SHORT + '"\\u001b[2J\\u009b" = 1\n[jobs.a]\nrun = "x"\nneeds = ["\\u001b[2J"]\n',
            [
                '4:1 service."\\u001b[2J\\x9b": \'\\x1b[2J\\x9b\' is no known key; allowed: name, team, runbook, description',
                "7:10 jobs.a.needs[0]: '\\x1b[2J' is no job; there is no other job",
            ],
        ),
        # A condition whose text is moved by quoting is shown at its beginning.
        (
            SHORT + '[jobs.a]\nrun = "x"\nwhen = "branch == \\"main\\" or nothing"\n',
            [
                "6:8 jobs.a.when: 'nothing' is no name that is known here; allowed: branch, tag, dirty, changed('glob'), "
                "matches(tag, 'glob'), 'text', True, False and ==, !=, in, not in, and, or, not (at its character 21)"
            ],
        ),
        (
            SHORT + '[jobs."ä"]\n',
            [
                "4:7 jobs.\"ä\": 'ä' is no name; allowed are letters, digits, '.', '_' and '-', "
                "beginning with a letter or digit, at most 63",
                '4:7 jobs."ä".run: is missing; write it, such as: '
                'run = ["make lint", { name = "unit tests", run = "make test" }]',
            ],
        ),
    ],
)  # fmt: skip
def test_faults_of_small_contracts(text: str, messages: list[str]) -> None:
    assert faults(text) == [f"headway.toml:{message}" for message in messages]


def axis(values: int) -> str:
    return "[" + ", ".join(f'"{number}"' for number in range(values)) + "]"


def test_a_matrix_of_more_than_a_thousand_jobs() -> None:
    assert faults(SHORT + f'[jobs.a]\nrun = "x"\nmatrix = {{ a = {axis(32)}, b = {axis(32)} }}\n') == [
        "headway.toml:6:10 jobs.a.matrix: makes 1024 jobs; allowed are up to 1000"
    ]


def test_a_matrix_whose_jobs_nobody_can_count_is_a_fault_like_any_other() -> None:
    axes = "".join(f'a{number} = ["1", "2", "3", "4", "5"]\n' for number in range(6200))
    assert faults(SHORT + f'[jobs.a]\nrun = "x"\n[jobs.a.matrix]\n{axes}') == [
        "headway.toml:6:9 jobs.a.matrix: makes 1000000 jobs or more; allowed are up to 1000"
    ]


def test_values_and_names_of_a_matrix_are_as_long_as_people_read() -> None:
    text = SHORT + '[jobs.a]\nrun = "x"\n[jobs.a.matrix]\n'
    assert faults(text + f'a = ["1", "{"v" * 200}"]\nb = ["{"v" * 200}"]\n') == []
    [fault] = faults(text + f'a = ["1", "{"v" * 201}"]\n')
    assert fault.startswith(
        "headway.toml:7:11 jobs.a.matrix.a[1]: has 201 characters; a value of a matrix has up to 200"
    )
    axes = "".join(f'a{number} = ["{"v" * 160}"]\n' for number in range(3))
    assert faults(text + axes) == []
    assert faults(text + axes.replace("a2", "a" * 20)) == [
        "headway.toml:6:9 jobs.a.matrix: makes names of 515 characters; allowed are up to 500"
    ]


def test_what_a_run_keeps_of_its_jobs_is_bounded_however_short_the_file() -> None:
    """A thousand jobs, skipped at once, of a file of 50 KB."""
    needed = "".join(f'[jobs.{"n" * 50}{number:03}]\nrun = "x"\n' for number in range(100))
    names = ", ".join(f'"{"n" * 50}{number:03}"' for number in range(100))
    text = SHORT + needed + f'[jobs.a]\nrun = "x"\nneeds = [{names}]\nmatrix.a = {axis(800)}\n'
    [fault] = faults(text)
    assert "jobs: a run would keep 4,2" in fault and "allowed are up to 4,000,000" in fault
    assert faults(text.replace(axis(800), axis(700))) == []


def test_a_run_of_more_than_a_thousand_jobs() -> None:
    jobs = "".join(f'[jobs.j{number}]\nrun = "x"\nmatrix.a = {axis(501)}\n' for number in range(2))
    assert faults(SHORT + jobs) == [
        "headway.toml:4:2 jobs: a run would have 1002 jobs; allowed are up to 1000"
    ]
    assert faults(SHORT + jobs.replace(', "500"', "")) == []


def test_a_long_chain_of_jobs_is_no_cycle_and_a_closed_one_is() -> None:
    chain = "".join(f'[jobs.j{number}]\nrun = "x"\nneeds = ["j{number + 1}"]\n' for number in range(900))
    assert faults(SHORT + chain + '[jobs.j900]\nrun = "x"\n') == []
    (fault,) = faults(SHORT + chain + '[jobs.j900]\nrun = "x"\nneeds = ["j0"]\n')
    assert fault.endswith("j899 → j900 → j0")


def test_all_faults_come_at_once_in_the_order_of_the_file() -> None:
    text = WHOLE
    for old, new in [
        ('name = "tickets"', 'nmae = "tickets"'),
        ('needs = ["test"]', 'needs = ["tset"]'),
        ('kind = "files"', 'kind = "flies"'),
        ("group:front", "group:fornt"),
        ("branch == 'main'", "branch = 'main'"),
        ('after = "staging"', 'after = "production"'),
        ("[oncall]", "[on-call]"),
    ]:
        assert text.count(old) == 1
        text = text.replace(old, new)
    found = faults(text)
    assert [fault.split(": ")[0].split(" ")[1] for fault in found] == [
        "service.name",
        "service.nmae",
        "jobs.build.needs[0]",
        "deploy.kind",
        "environments.staging.when",
        "environments.production.after",
        "environments.production.hosts",
        "on-call",
    ]
    lines = [int(fault.split(":")[1]) for fault in found]
    assert lines == sorted(lines)


def test_the_error_is_wrong_use_and_carries_each_part_of_a_fault() -> None:
    with pytest.raises(ContractInvalid) as caught:
        read_contract(changed('needs = ["test"]', 'needs = ["tset"]'), "shop/headway.toml")
    assert isinstance(caught.value, WrongUse) and caught.value.exit_code == 2
    (fault,) = caught.value.faults
    assert (fault.file, fault.key_path, fault.line, fault.column) == (
        "shop/headway.toml",
        "jobs.build.needs[0]",
        15,
        10,
    )
    assert (fault.found, fault.allowed, fault.near) == ("'tset'", "test", "test")
    assert caught.value.message == f"shop/headway.toml has 1 fault\n  {fault}"


def test_a_file_full_of_faults_is_cut() -> None:
    text = SHORT + "".join(f"a{number} = 1\n" for number in range(300))
    with pytest.raises(ContractInvalid) as caught:
        read_contract(text)
    assert len(caught.value.faults) == 200
    assert caught.value.message.startswith("headway.toml has 200 faults and perhaps more\n")
