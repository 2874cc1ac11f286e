"""A request on the screen: what it is, what it waits for or what came of it, and what to do next."""

from headway.cli.output import echo, styled
from headway.wire.shapes_delivery import RequestDocument


def show_request(found: RequestDocument, *, indent: str = "  ") -> None:
    """One line, and one for each thing in its way."""
    kind = "" if found["kind"] == "planned" else f" ({found['kind']})"
    without = f", without {', '.join(found['without'])}" if found["without"] else ""
    to = f"{found['environment']}: {found['release']}{kind}{without}, asked by {found['requested_by']}"
    echo(f"{indent}request {found['id']} to {to}: {styled(found['state'])}  {found['reason']}")
    if found["state"] != "waiting":
        return
    for one in found["obstacles"]:
        if one["reason"] != found["reason"]:
            echo(f"{indent}  {one['reason']}")
        if one["hint"]:
            echo(f"{indent}  next: {one['hint']}")
