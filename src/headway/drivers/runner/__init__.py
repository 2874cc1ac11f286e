"""Jobs that outlive whoever asked for them: start, follow from an offset, cancel. Here, and on hosts over a session."""
