"""What GitHub, GitLab and Gitea or Forgejo tell by webhook: checked, read, turned into arrivals. Sends and stores nothing."""

from headway.wire.forges.door import Webhook, read_webhook
from headway.wire.forges.errors import BadSignature, MalformedWebhook, WebhookRefused
from headway.wire.forges.keys import arrival_key

__all__ = ["BadSignature", "MalformedWebhook", "Webhook", "WebhookRefused", "arrival_key", "read_webhook"]
