"""Prefixes, ranges, buddies and what a device pool can serve: pure arithmetic, no I/O."""
