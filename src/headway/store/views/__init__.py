"""Statements behind the pages: several nouns at once, and never more rows than a page shows. Changes nothing."""
