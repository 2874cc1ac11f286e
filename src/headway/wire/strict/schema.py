"""The JSON Schema of a strict file, made from the same models that check it; for editors and for the manual."""

from datetime import timedelta
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from headway.base.durations import format_duration
from headway.domain.contract import Amount

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _AsWritten(GenerateJsonSchema):
    """Defaults as one would write them rather than as they are held; no titles that only repeat the key."""

    def encode_default(self, dft: Any) -> Any:
        return as_written(dft)

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def as_written(value: Any) -> Any:
    """`1h`, `50%`, `{"kind": "rolling", "batch": 1}`: the value as it would stand in the file."""
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, Amount):
        return f"{value.value}%" if value.percent else value.value
    if isinstance(value, BaseModel):
        fields = ((name, getattr(value, name)) for name in type(value).model_fields)
        return {name: as_written(held) for name, held in fields if held is not None}
    return value


def schema_of(model: type[BaseModel], title: str) -> dict[str, Any]:
    """The schema; TOML has no null, so what may be absent says nothing of it."""
    schema = model.model_json_schema(by_alias=True, schema_generator=_AsWritten)
    cleaned = _as_toml(schema)
    assert isinstance(cleaned, dict)
    return {"$schema": DIALECT, **cleaned, "title": title}


def _as_toml(node: object) -> object:
    if isinstance(node, list):
        return [_as_toml(item) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {key: _as_toml(value) for key, value in node.items() if not (key == "default" and value is None)}
    if "patternProperties" in kept:
        # Names that fit no pattern are refused, as the reader does.
        kept["additionalProperties"] = False
    arms = kept.get("anyOf")
    if isinstance(arms, list) and {"type": "null"} in arms:
        rest = [arm for arm in arms if arm != {"type": "null"}]
        if len(rest) > 1:
            return {**kept, "anyOf": rest}
        del kept["anyOf"]
        # What is said of the key beats what is said of its type.
        kept = {**rest[0], **kept}
    return kept
