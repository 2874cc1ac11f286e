"""Why a webhook is turned away.

WebhookRefused (WrongUse)   `status` is what its sender is answered with
├── BadSignature      401   nothing proves that it comes from the repository's forge
└── MalformedWebhook  400   it is signed, and yet not what that forge sends

A webhook that tells of something else than code (a star, a comment) is neither: it is read, and brings nothing.
"""

from headway.base.errors import WrongUse


class WebhookRefused(WrongUse):
    status = 400


class BadSignature(WebhookRefused):
    status = 401


class MalformedWebhook(WebhookRefused):
    status = 400
