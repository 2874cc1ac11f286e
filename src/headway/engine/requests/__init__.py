"""requests: what a server is asked to deploy, its gate, and the duties that do it."""
