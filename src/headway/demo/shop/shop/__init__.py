"""shop: shows what is for sale."""
