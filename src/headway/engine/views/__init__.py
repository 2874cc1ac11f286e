"""views: what pages and documents show, as values: each read in one transaction with a few indexed statements."""
