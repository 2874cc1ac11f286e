"""What can go wrong with a forge; `permanent` says whether asking again may help, `retry_after` how long it wants us to wait.

ForgeError (Errored)
├── ForgeUnreachable   no connection, no TLS, no answer in time                        asking again may help
├── ForgeBusy          429, a limit of requests, 409, 5xx; with `retry_after` if told   asking again may help
├── TokenRefused       401, 403: the token is wrong, or may not do this                permanent
├── NotAtForge         404: no such repository, or none that the token may see         permanent
└── ForgeRefused       any other answer                                                permanent
"""

from datetime import timedelta

from headway.base.errors import Errored


class ForgeError(Errored):
    permanent = True

    def __init__(
        self, message: str, *, hint: str | None = None, retry_after: timedelta | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class ForgeUnreachable(ForgeError):
    permanent = False


class ForgeBusy(ForgeError):
    permanent = False


class TokenRefused(ForgeError):
    pass


class NotAtForge(ForgeError):
    pass


class ForgeRefused(ForgeError):
    pass
