"""client: the HTTP interface from Python; what the command line speaks to a server."""
