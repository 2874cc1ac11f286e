"""repositories: the repositories that a server knows, what their commits say, and org.toml."""
