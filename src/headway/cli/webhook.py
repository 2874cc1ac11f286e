"""`headway webhook`: programs that the server tells what happens."""

import time

import click

from headway.base.errors import Failed, WrongUse
from headway.cli.output import echo, emit_json, json_option, print_table
from headway.cli.server_choice import needed_server
from headway.engine.settings import Settings
from headway.wire.shapes_server import DeliveryDocument, WebhookDocument

#: How long `test` waits for its answer, and how often it looks, in seconds.
_ANSWER_WITHIN, _LOOK_EVERY = 30.0, 0.5


@click.group()
def command() -> None:
    """Addresses that the server sends signed events to. Needs a server, and an administrator's token there."""


@command.command("list")
@json_option
@click.pass_obj
def list_(settings: Settings, *, as_json: bool) -> int:
    """List them, and how they fare."""
    found = _webhooks(settings)
    if as_json:
        emit_json({"webhooks": found})
    elif found:
        rows = [
            (
                one["id"],
                one["url"],
                " ".join(one["events"]),
                " ".join(one["services"]) or "all",
                f"{one['sent_at']:%Y-%m-%d %H:%M}" if one["sent_at"] else "never",
                _state(one),
            )
            for one in found
        ]
        print_table(("ID", "URL", "EVENTS", "SERVICES", "LAST SENT", "STATE"), rows)
    else:
        echo("there is no webhook yet: headway webhook add URL --event deployment.changed", err=True)
    return 0


@command.command("add")
@click.argument("url")
@click.option(
    "--event",
    "events",
    multiple=True,
    required=True,
    help="deployment.changed, run.*, *; repeat for several.",
)
@click.option("--service", "services", multiple=True, help="Only of this one; repeat for several.")
@json_option
@click.pass_obj
def add(
    settings: Settings, *, url: str, events: tuple[str, ...], services: tuple[str, ...], as_json: bool
) -> int:
    """Send events to URL, and show the secret with which they are signed, once."""
    from headway.client.decode import typed

    body = {"url": url, "events": list(events), "services": list(services)}
    made = needed_server(settings).post("/api/webhooks", body)
    webhook = typed(made["webhook"], WebhookDocument)
    if as_json:
        emit_json({"webhook": webhook, "secret": made["secret"]})
    else:
        echo(made["secret"])
        echo(
            f"shown this once: the secret of {webhook['id']}; try it: headway webhook test {webhook['id']}",
            err=True,
        )
    return 0


@command.command("remove")
@click.argument("id")
@json_option
@click.pass_obj
def remove(settings: Settings, *, id: str, as_json: bool) -> int:
    """Send it no more. ID is as headway webhook list shows it, or its beginning."""
    from headway.client.http import segment

    found = _meant(settings, id)
    needed_server(settings).delete(f"/api/webhooks/{segment(found['id'])}")
    if as_json:
        emit_json({"removed": {"id": found["id"], "url": found["url"]}})
    else:
        echo(f"removed {found['id']}, to {found['url']}")
    return 0


@command.command("enable")
@click.argument("id")
@json_option
@click.pass_obj
def enable(settings: Settings, *, id: str, as_json: bool) -> int:
    """Let one that was disabled hear again, from the next event on."""
    from headway.client.decode import typed
    from headway.client.http import segment

    path = f"/api/webhooks/{segment(_meant(settings, id)['id'])}/enable"
    found = typed(needed_server(settings).post(path), WebhookDocument)
    if as_json:
        emit_json({"webhook": found})
    else:
        echo(f"{found['id']}: {_state(found)}")
    return 0


@command.command("test")
@click.argument("id")
@json_option
@click.pass_obj
def test(settings: Settings, *, id: str, as_json: bool) -> int:
    """Send an event of the kind webhook.test, and say what came of it. Exit 1 when it was not taken."""
    from headway.client.decode import typed
    from headway.client.http import segment

    server, webhook = needed_server(settings), _meant(settings, id)
    path = f"/api/webhooks/{segment(webhook['id'])}"
    sent = typed(server.post(f"{path}/test"), DeliveryDocument)
    waited = 0.0
    # One that is just being sent counts as an attempt and has no note yet.
    while sent["state"] == "waiting" and not sent["note"] and waited < _ANSWER_WITHIN:
        time.sleep(_LOOK_EVERY)
        waited += _LOOK_EVERY
        found = typed(server.get(f"{path}/deliveries")["items"], list[DeliveryDocument])
        sent = next((one for one in found if one["id"] == sent["id"]), sent)
    if as_json:
        emit_json({"delivery": sent})
    else:
        echo(f"{webhook['url']}: {sent['state']}, {sent['note'] or 'not tried yet'}")
    if sent["state"] != "sent":
        raise Failed("the event was not taken", hint=f"headway webhook deliveries {webhook['id']}")
    return 0


@command.command("deliveries")
@click.argument("id")
@json_option
@click.pass_obj
def deliveries(settings: Settings, *, id: str, as_json: bool) -> int:
    """What was sent to it last, newest first, and what came of each."""
    from headway.client.decode import typed
    from headway.client.http import segment

    path = f"/api/webhooks/{segment(_meant(settings, id)['id'])}/deliveries"
    found = typed(needed_server(settings).get(path)["items"], list[DeliveryDocument])
    if as_json:
        emit_json({"deliveries": found})
    elif found:
        rows = [
            (
                f"{one['created_at']:%Y-%m-%d %H:%M:%S}",
                one["event"],
                one["subject"],
                one["state"],
                str(one["attempts"]),
                one["note"],
            )
            for one in found
        ]
        print_table(("AT (UTC)", "EVENT", "OF", "STATE", "TRIED", "WHAT CAME OF IT"), rows)
    else:
        echo("nothing was sent to it in the last 14 days", err=True)
    return 0


def _webhooks(settings: Settings) -> list[WebhookDocument]:
    from headway.client.decode import typed

    return typed(needed_server(settings).get("/api/webhooks")["items"], list[WebhookDocument])


def _meant(settings: Settings, text: str) -> WebhookDocument:
    """Raises WrongUse."""
    found = [
        one
        for one in _webhooks(settings)
        if one["id"].removeprefix("whk-").startswith(text.removeprefix("whk-"))
    ]
    if len(found) == 1:
        return found[0]
    if found:
        raise WrongUse(f"'{text}' may be {len(found)} webhooks", hint="type more of it")
    raise WrongUse(f"there is no webhook '{text}'", hint="headway webhook list")


def _state(one: WebhookDocument) -> str:
    if one["disabled_at"] is not None:
        return f"disabled {one['disabled_at']:%Y-%m-%d}: {one['disabled_why']}"
    return f"failing: {one['fault']}" if one["failures"] else "fine"
