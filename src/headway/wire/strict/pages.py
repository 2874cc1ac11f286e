"""What a manual says of each key of a strict file, from the descriptions that the models carry."""

from collections.abc import Collection, Sequence
from typing import Any

from headway.wire.strict.model import Model, ordered_fields
from headway.wire.strict.toml import toml_line, toml_value

#: Heading, the table's model, and the tables that stand inside of it by the key they stand at.
Sections = Sequence[tuple[str, type[Model], tuple[tuple[str, type[Model]], ...]]]


def section_lines(
    sections: Sections, schema: dict[str, Any], *, kinds: Collection[type[Model]] = ()
) -> list[str]:
    """The manual's sections; `kinds` are tables that are told apart by their key `kind`."""
    parts: list[str] = []
    for heading, model, inner in sections:
        parts.append(f"## `{heading}`\n\n{introduction(model)}\n")
        parts += key_lines(model, definition_of(model, schema), schema)
        for key, table in inner:
            kind = f" of kind `{table.__name__.lower()}`" if table in kinds else ""
            parts.append(f"### `{key}` as a table{kind}\n\n{introduction(table)}\n")
            parts += key_lines(table, definition_of(table, schema), schema)
    return parts


def introduction(model: type[Model]) -> str:
    """The sentence over a table: its model's own."""
    return " ".join((model.__doc__ or "").split())


def definition_of(model: type[Model], schema: dict[str, Any]) -> dict[str, Any]:
    found = schema["$defs"][model.__name__]
    assert isinstance(found, dict)
    return found


def key_lines(
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
    if said.get("title") in ("duration", "size", "percentage", "number of hosts or percentage", "instant"):
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
