"""deployments: one deployment: composed, begun, driven to its end, taken back."""
