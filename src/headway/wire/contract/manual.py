"""docs/configuration.md: every key of headway.toml, from the descriptions that the models carry."""

from typing import Any

from headway.domain.placeholders import PLACEHOLDERS, PLACES
from headway.domain.when import FUNCTIONS, NAMES
from headway.wire.contract.meaning_jobs import MOST_JOBS
from headway.wire.contract.notes import LATER, SERVER
from headway.wire.contract.read import LARGEST_FILE
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
    Health,
    Host,
    Once,
    Process,
    Rolling,
)
from headway.wire.contract.shape_jobs import (
    Concurrency,
    Job,
    Model,
    Reports,
    Retry,
    Service,
    Step,
    ordered_fields,
)
from headway.wire.contract.shape_pipeline import (
    CronEntry,
    Parameter,
    Pipeline,
    PullRequests,
    Push,
    Triggers,
)
from headway.wire.contract.toml import toml_line, toml_value

#: Heading, the table's model, and the tables that stand inside of it by the key they stand at.
SECTIONS: tuple[tuple[str, type[Model], tuple[tuple[str, type[Model]], ...]], ...] = (
    ("[service]", Service, ()),
    (
        "[triggers]",
        Triggers,
        (("push", Push), ("pull_requests", PullRequests), ("cron", CronEntry)),
    ),
    ("[parameters.NAME]", Parameter, ()),
    ("[pipeline]", Pipeline, (("concurrency", Concurrency),)),
    ("[jobs.NAME]", Job, (("run", Step), ("retry", Retry), ("reports", Reports))),
    ("[deploy]", Deploy, (("once", Once), ("drain", Drain), ("health", Health))),
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
- **hosts**: the name of a host, `group:NAME`, `label:NAME=VALUE`, or a list of these.

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
A matrix and a run have at most {MOST_JOBS:,} jobs. The file has at most {LARGEST_FILE // 1024} KiB.
"""

_SERVER = """\
## Needs a server
Commands on one machine read and check these and pass them over; `headway check` names them:
"""
_LATER = """\
## Read, but not acted on yet
These are parsed and checked, and `headway check` names them as long as nothing acts on them:
"""


def manual() -> str:
    """The page as Markdown."""
    schema = json_schema()
    parts = [_INTRODUCTION, "## The file's top\n", *_keys(ContractFile, schema, schema, TOP_KEYS)]
    for heading, model, inner in SECTIONS:
        parts.append(f"## `{heading}`\n\n{_introduction(model)}\n")
        parts += _keys(model, _definition(model, schema), schema)
        for key, table in inner:
            parts.append(f"### `{key}` as a table{_kind(table)}\n\n{_introduction(table)}\n")
            parts += _keys(table, _definition(table, schema), schema)
    return "\n".join([*parts, _SERVER, _listed(SERVER), _LATER, _listed(LATER)])


def _listed(parts: dict[str, str]) -> str:
    return "".join(f"- `{part}`: {purpose}\n" for part, purpose in parts.items())


def _introduction(model: type[Model]) -> str:
    return " ".join((model.__doc__ or "").split())


def _kind(model: type[Model]) -> str:
    return f" of kind `{model.__name__.lower()}`" if model in (Rolling, Canary) else ""


def _definition(model: type[Model], schema: dict[str, Any]) -> dict[str, Any]:
    found = schema["$defs"][model.__name__]
    assert isinstance(found, dict)
    return found


def _keys(
    model: type[Model], definition: dict[str, Any], schema: dict[str, Any], only: tuple[str, ...] = ()
) -> list[str]:
    required = definition.get("required", ())
    fields = ordered_fields(model)
    return [
        _key(key, definition["properties"][key], (fields[key].examples or [])[0], schema, key in required)
        for key in only or fields
    ]


def _key(key: str, said: dict[str, Any], example: object, schema: dict[str, Any], required: bool) -> str:
    facts = [f"**`{key}`**", type_words(said, schema)]
    if required:
        facts.append("must be there")
    elif said.get("default") not in (None, [], {}):
        facts.append(f"default `{toml_value(said['default'])}`")
    return f"{' · '.join(facts)}  \n{said['description']}  \nExample: `{toml_line(key, example)}`\n"


def type_words(said: dict[str, Any], schema: dict[str, Any]) -> str:
    """The type in words: `duration`, `list of text`, `text or table`."""
    union = said.get("oneOf", said.get("anyOf")) if "type" not in said else None
    if said.get("title") in ("duration", "size", "percentage", "number of hosts or percentage"):
        words = str(said["title"])
    elif "$ref" in said:
        words = "table"
    elif union is not None:
        arms = dict.fromkeys(type_words(arm, schema) for arm in union)
        # Every whole number is a number.
        words = " or ".join(arm for arm in arms if not (arm == "whole number" and "number" in arms))
    elif "enum" in said or "const" in said:
        words = " or ".join(f"`{toml_value(word)}`" for word in said.get("enum", [said.get("const")]))
    elif said["type"] == "array":
        words = f"list of {type_words(said['items'], schema)}"
    elif said["type"] == "object":
        inner = next(iter(said.get("patternProperties", {}).values()), None)
        words = f"table of {type_words(inner, schema)}" if inner else "table"
    elif said["type"] == "integer":
        bounds = [said[bound] for bound in ("minimum", "maximum") if bound in said]
        words = "whole number" + (f" from {bounds[0]} to {bounds[1]}" if len(bounds) == 2 else "")
    else:
        words = {"string": "text", "boolean": "true or false", "number": "number"}[str(said["type"])]
    return words
