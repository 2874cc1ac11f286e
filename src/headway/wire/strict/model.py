"""What every table of a strict file is, and the order of its keys."""

from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo


class Model(BaseModel):
    """Strict: no value is converted, no key is unknown, nothing changes afterwards."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


def ordered_fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """A table's keys, as written, in the order of the manual: its own before those it shares with other tables."""
    own = [name for name in model.__annotations__ if name in model.model_fields]
    shared = [name for name in model.model_fields if name not in own]
    return {model.model_fields[name].alias or name: model.model_fields[name] for name in (*own, *shared)}
