"""standing: what stands on which host now, what is wrong there, what stands still: from rows alone."""
