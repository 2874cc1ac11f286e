"""What is made from the models of org.toml: manual, schema, example."""

import json

from headway.wire.org.example import example
from headway.wire.org.manual import manual
from headway.wire.org.shape import OrgFile
from headway.wire.strict.schema import schema_of


def documents() -> dict[str, str]:
    """File name -> text."""
    schema = schema_of(OrgFile, "org.toml")
    return {
        "org.md": manual(schema),
        "org.schema.json": json.dumps(schema, indent=2, ensure_ascii=False) + "\n",
        "org.example.toml": example(),
    }
