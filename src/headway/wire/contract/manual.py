"""docs/configuration.md: every key of headway.toml, from the descriptions that the models carry."""

from headway.domain.placeholders import PLACEHOLDERS, PLACES
from headway.domain.when import FUNCTIONS, NAMES
from headway.wire.contract.meaning_jobs import LONGEST_JOB_NAME, LONGEST_VALUE, MOST_JOBS, MOST_OF_ALL_JOBS
from headway.wire.contract.notes import LATER, SERVER
from headway.wire.contract.schema import json_schema
from headway.wire.contract.shape import (
    ContractFile,
    Indicator,
    Objective,
    Oncall,
)
from headway.wire.contract.shape_delivery import (
    Approval,
    Canary,
    Deploy,
    Drain,
    EnvironmentTable,
    Expect,
    Health,
    Host,
    Once,
    Process,
    Rolling,
)
from headway.wire.contract.shape_jobs import (
    Concurrency,
    Job,
    Reports,
    Retry,
    Service,
    Step,
)
from headway.wire.contract.shape_pipeline import (
    CronEntry,
    Parameter,
    Pipeline,
    PullRequests,
    Push,
    Triggers,
)
from headway.wire.strict.pages import Sections, key_lines, section_lines
from headway.wire.strict.reading import LARGEST_FILE
from headway.wire.strict.syntax import DEEPEST, MOST_PARTS

SECTIONS: Sections = (
    ("[service]", Service, ()),
    (
        "[triggers]",
        Triggers,
        (("push", Push), ("pull_requests", PullRequests), ("cron", CronEntry)),
    ),
    ("[parameters.NAME]", Parameter, ()),
    ("[pipeline]", Pipeline, (("concurrency", Concurrency),)),
    ("[jobs.NAME]", Job, (("run", Step), ("retry", Retry), ("reports", Reports))),
    ("[deploy]", Deploy, (("once", Once), ("drain", Drain), ("health", Health), ("health.expect", Expect))),
    ("[processes.NAME]", Process, ()),
    (
        "[environments.NAME]",
        EnvironmentTable,
        (("strategy", Rolling), ("strategy", Canary), ("approval", Approval)),
    ),
    ("[hosts.NAME]", Host, ()),
    ("[objectives.NAME]", Objective, (("indicator", Indicator),)),
    ("[oncall]", Oncall, ()),
)
#: Keys of the file's top that are no table of their own.
TOP_KEYS = ("contract", "services", "groups")

_INTRODUCTION = f"""\
# headway.toml

*Generated from the models that check the file (`make docs`); change the descriptions there.*

`headway.toml` is the contract between a service and Headway. It stands at the top of the repository, or in the
service's folder; the nearest one counts. `headway init` writes a first one, `headway check` says everything that is
wrong with it at once: file, line, column, key, what was found, what is allowed and the word that was probably meant.
Unknown keys and wrong types are errors, never guesses. A commented example is
[headway.example.toml](headway.example.toml), a JSON Schema for editors [headway.schema.json](headway.schema.json);
what Headway promises in return stands in [contract.md](contract.md).

Only `contract` and `[service]` must be there.

## Kinds of value
- **duration**: numbers with `ms`, `s`, `m`, `h`, `d` or `w`, such as `"90s"` or `"1h30m"`; at most 366 days.
- **size**: a whole number with `B`, `kB`, `MB`, `GB`, `KiB`, `MiB` or `GiB`, such as `"64MiB"`.
- **name**: letters, digits, `.`, `_` and `-`, beginning with a letter or digit, at most 63 characters.
- **variable**: letters, digits and `_`, not beginning with a digit. Names that Headway sets itself are refused.
- **path**: relative to the repository's top (in `[deploy]`: to the release's folder), without `..`.
- **glob** of files: from the repository's top; `*` and `?` stay within a folder, `**` crosses folders: `dist/*.whl`,
  `out/**/*.xml`. In conditions globs mean what they mean in git's ignore files.
- **glob** of branches, tags and services: the whole name is meant; `*` and `?` stay within a part, `**` crosses `/`, a
  later `!GLOB` takes out again: `["**", "!draft/**"]`.
- **hosts**: the name of a host, `group:NAME`, `label:NAME=VALUE`, or a list of these. A file that declares no host leaves
  them to the server's [org.toml](org.md); the server knows whether they are right.

Numbers and yes-or-no values stand without quotes, everything else in quotes: `python = ["3.11"]`, because 3.10
without quotes would be the number 3.1.

## The `when` language
A condition of a job or an environment, on one line:

```toml
# in [jobs.image]
when = "branch == 'main' and changed('src/**', 'pyproject.toml')"
```

- names: {", ".join(f"`{name}`" for name in NAMES)}. `branch` and `tag` are text, empty where there is none;
  `dirty` says whether the tree has changes that are not committed.
- functions: {" and ".join(f"`{name}`" for name in FUNCTIONS)}. `changed('GLOB', …)` is true when the commit changed
  a file that one of the globs takes in (also when nobody can know, as in a shallow clone); `matches(tag, 'v*')` is
  true when one of the globs takes the text in.
- literals: `'text'`, `True`, `False`, `('main', 'release')`.
- operators: `==`, `!=`, `in`, `not in`, `and`, `or`, `not` and parentheses.

Nothing else is known: it is parsed, never run. A job whose condition does not hold is skipped, and the run says why.

## Placeholders
The shell keeps its braces: nothing inside of a job's `run` is replaced, values arrive there as environment
variables. In `[deploy]`, `[processes.NAME]` and health checks these words are replaced, each by one quoted word or
as a part of a URL:
{", ".join(f"`{{{name}}}`" for name in PLACEHOLDERS)} and `{{labels.NAME}}`, a label of the host. In `root` only
{" and ".join(f"`{{{name}}}`" for name in PLACES)}. Another lower-case word in braces is an error; braces of
another program take a space (`awk '{{ print }}'`) or a dollar sign (`${{HOME}}`).

## Limits
A matrix and a run have at most {MOST_JOBS:,} jobs. A value of a matrix has at most {LONGEST_VALUE} characters, a job's name with its values
{LONGEST_JOB_NAME}; of the names, values, needs and conditions of all its jobs a run keeps at most {MOST_OF_ALL_JOBS:,} characters.
The file has at most {LARGEST_FILE // 1024} KiB,
{DEEPEST} levels, and {MOST_PARTS:,} parts of keys (each with its table's) and items of lists.
"""

_SERVER = """\
## Needs a server
Commands on one machine read and check these and pass them over; `headway check` names them. What a server does with them
stands in [triggers.md](triggers.md); its own file is [org.toml](org.md).
"""
_LATER = """\
## Read, but not acted on yet
These are parsed and checked, and `headway check` names them as long as nothing acts on them:
"""


def manual() -> str:
    """The page as Markdown."""
    schema = json_schema()
    top = key_lines(ContractFile, schema, schema, TOP_KEYS)
    tables = section_lines(SECTIONS, schema, kinds=(Rolling, Canary))
    server, later = _listed(SERVER), _listed(LATER)
    return "\n".join([_INTRODUCTION, "## The file's top\n", *top, *tables, _SERVER, server, _LATER, later])


def _listed(parts: dict[str, str]) -> str:
    return "".join(f"- `{part}`: {purpose}\n" for part, purpose in parts.items())
