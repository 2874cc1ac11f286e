"""The manual, the schema and the example are made from the models, are current, and cannot lie."""

import json
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from headway.wire.contract import read_contract
from headway.wire.contract.documents import documents
from headway.wire.contract.notes import LATER, not_acted_on
from headway.wire.contract.schema import json_schema
from headway.wire.contract.shape import ContractFile
from headway.wire.strict.toml import toml_line
from tests.wire.contract.examples import SHORT, WHOLE

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize("name", sorted(documents()))
def test_the_published_document_is_current(name: str) -> None:
    published = (DOCS / name).read_text(encoding="utf-8")
    assert published == documents()[name], "run `make docs`"


def every_key() -> list[tuple[str, str]]:
    schema = json_schema()
    held = {"headway.toml": schema, **schema["$defs"]}
    return [(table, key) for table, said in held.items() for key in said["properties"]]


def test_every_key_has_a_description_and_an_example() -> None:
    assert len(every_key()) > 80
    schema = json_schema()
    for table, key in every_key():
        said = schema["$defs"].get(table, schema)["properties"][key]
        is_section = "$ref" in said or "patternProperties" in said
        assert said.get("description") or is_section, f"{table}.{key}"
        assert said.get("examples") or is_section, f"{table}.{key}"


def test_the_manual_and_the_example_name_every_key() -> None:
    manual, example = documents()["configuration.md"], documents()["headway.example.toml"]
    sections = set(tomllib.loads(example))
    for _, key in every_key():
        assert f"**`{key}`**" in manual or key in sections, key
        assert any(form in example for form in (f"{key} =", f"#   {key}:", f"[{key}")), key


def test_the_example_is_a_contract_without_a_fault() -> None:
    example = documents()["headway.example.toml"]
    contract = read_contract(example, "headway.example.toml")
    assert set(not_acted_on(contract)) == {"service.runbook", "objectives", "oncall"}
    assert contract.deploy is not None and len(contract.deploy.processes) == 2
    assert 'promote = "automatic"' not in example


def test_what_nothing_acts_on_is_named_only_where_it_stands() -> None:
    assert not_acted_on(read_contract(SHORT)) == {}
    assert not_acted_on(read_contract(WHOLE)) == {
        part: LATER[part] for part in ("service.runbook", "objectives", "oncall")
    }


def test_the_schema_refuses_what_the_reader_refuses_by_shape() -> None:
    """The places where the two could tell different stories: unknown keys, names, absent values."""
    schema = json_schema()
    for name, table in schema["$defs"].items():
        assert table["additionalProperties"] is (name == "Indicator"), name
    text = json.dumps(schema)
    assert '"null"' not in text and '"default": null' not in text
    assert schema["properties"]["jobs"]["additionalProperties"] is False
    assert schema["required"] == ["contract", "service"]
    assert schema["$defs"]["Job"]["properties"]["timeout"]["default"] == "1h"
    assert schema["$defs"]["EnvironmentTable"]["properties"]["strategy"]["default"] == {
        "kind": "rolling",
        "batch": 1,
    }


def test_defaults_as_written_are_read_as_the_defaults() -> None:
    """A key that is written out with the manual's default changes nothing."""
    schema = json_schema()
    job = schema["$defs"]["Job"]["properties"]
    lines = [
        toml_line(key, said["default"])
        for key, said in job.items()
        if said.get("default") not in (None, {}, [])
    ]
    assert len(lines) == 6
    plain = SHORT + '[jobs.a]\nrun = "x"\n'
    assert read_contract(plain + "\n".join(lines) + "\n") == read_contract(plain)


def test_every_model_forbids_unknown_keys_and_conversion() -> None:
    pending, seen = [ContractFile.__mro__[1]], 0
    while pending:
        model = pending.pop()
        pending += model.__subclasses__()
        seen += 1
        assert issubclass(model, BaseModel)
        assert model.model_config["strict"] is True and model.model_config["frozen"] is True
        assert model.model_config["extra"] == ("allow" if model.__name__ == "Indicator" else "forbid")
    assert seen > 15
