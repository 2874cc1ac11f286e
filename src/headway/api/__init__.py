"""api: JSON over HTTP, webhooks and git over HTTP. Translates only."""
