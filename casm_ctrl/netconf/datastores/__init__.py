"""Configuration datastores: trees, edits of them, and what holds for all of them."""
