"""deploy: what happens on which host next, and when to go back. Decides and composes; touches no host."""
