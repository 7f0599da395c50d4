"""Whether what devices tell of their usage may be true. Pure."""
