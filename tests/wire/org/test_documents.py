"""The manual, the schema and the example of org.toml are made from the models, are current, and cannot lie."""

import json
from pathlib import Path

import pytest

from headway.wire.org.documents import documents

DOCS = Path(__file__).parents[3] / "docs"
SCHEMA = json.loads(documents()["org.schema.json"])


@pytest.mark.parametrize("name", sorted(documents()))
def test_the_published_document_is_current(name: str) -> None:
    published = (DOCS / name).read_text(encoding="utf-8")
    assert published == documents()[name], "run `make docs`"


def test_the_manual_and_the_example_name_every_key() -> None:
    manual, example = documents()["org.md"], documents()["org.example.toml"]
    sections = {"people", "teams", "hosts", "floors", "freezes"}
    keys = [key for table in (SCHEMA, *SCHEMA["$defs"].values()) for key in table["properties"]]
    assert len(keys) > 40
    for key in keys:
        assert f"**`{key}`**" in manual or key in sections, key
        assert any(form in example for form in (f"{key} =", f"#   {key}:", f"[{key}", f"[[{key}]]")), key


def test_the_schema_refuses_unknown_keys_and_knows_no_null() -> None:
    assert all(table["additionalProperties"] is False for table in (SCHEMA, *SCHEMA["$defs"].values()))
    assert '"null"' not in json.dumps(SCHEMA) and "required" not in SCHEMA
