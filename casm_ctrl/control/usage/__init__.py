"""Whether what devices tell of their usage may be true, and which readings agree with each other. Pure."""
