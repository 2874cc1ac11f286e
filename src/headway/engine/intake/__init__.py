"""intake: what arrives, by push, by clock, by another's release or as a try, becomes runs."""
