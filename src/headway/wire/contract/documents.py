"""What is made from the models of headway.toml: manual, schema, example."""

import json

from headway.wire.contract.example import example
from headway.wire.contract.manual import manual
from headway.wire.contract.schema import json_schema


def documents() -> dict[str, str]:
    """File name -> text."""
    return {
        "configuration.md": manual(),
        "headway.schema.json": json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n",
        "headway.example.toml": example(),
    }
