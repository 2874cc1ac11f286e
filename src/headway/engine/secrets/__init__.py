"""secrets: keys, the vault, secrets by name, and who may set them."""
