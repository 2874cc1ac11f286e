"""What can go wrong between a client and its server.

ServerUnreachable     3   nobody answers, or the line broke and stayed broken
AnswerNotUnderstood   3   what answers is no Headway, or one that we do not understand
ServerFailed          3   the server could not: its database, its disk, Headway itself
ServerRefused         2   what was asked for cannot be: `status`, all `faults`, the `scope` that is missing
ServerHeld            4   something must happen first
ServerNotDone         1   it was tried and did not succeed, or as things stand it cannot be
AddressUnsafe         2   a token would travel where others can read it
SocketNotOurs         2   somebody else's socket stands where ours should
"""

from collections.abc import Mapping, Sequence
from typing import Any

from headway.base.errors import Errored, Failed, HeadwayError, Held, WrongUse


class ServerUnreachable(Errored):
    pass


class AnswerNotUnderstood(Errored):
    pass


class ServerFailed(Errored):
    pass


class ServerRefused(WrongUse):
    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        status: int = 400,
        faults: Sequence[str] = (),
        scope: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.faults = tuple(faults)
        self.scope = scope


class ServerHeld(Held):
    pass


class ServerNotDone(Failed):
    pass


class AddressUnsafe(WrongUse):
    pass


class SocketNotOurs(WrongUse):
    pass


def error_of(status: int, document: Mapping[str, Any]) -> HeadwayError:
    """The error that a problem document tells of, with the exit code that the same would have had here."""
    message = str(document.get("detail") or document.get("title") or f"the server answered {status}")
    hint = document.get("hint")
    code = document.get("exit_code")
    if status >= 500:
        return ServerFailed(message, hint=hint or "see the server's log")
    if code == Held.exit_code or (code is None and status == 423):
        return ServerHeld(message, hint=hint)
    if code == Failed.exit_code:
        return ServerNotDone(message, hint=hint)
    if status == 401:
        hint = hint or "headway token create NAME --scope run makes one on the server; export HEADWAY_TOKEN=…"
    return ServerRefused(
        message,
        hint=hint,
        status=status,
        faults=[str(fault) for fault in document.get("faults", ())],
        scope=document.get("scope"),
    )
