"""access: people and programs: how they come in, and that the same call twice is one."""
