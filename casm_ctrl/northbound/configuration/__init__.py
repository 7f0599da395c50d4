"""Running and candidate: what the store holds as a tree, and edits of it as edits of the service."""
