"""hosts: one host, or several at once: its link, its lock, jobs, health, logs."""
