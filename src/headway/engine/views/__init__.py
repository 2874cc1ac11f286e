"""What pages show, as values: each read in one transaction with a few indexed statements."""
