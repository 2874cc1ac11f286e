"""outgoing: what leaves the server: the outbox, webhooks, commit statuses, news for whoever looks on."""
