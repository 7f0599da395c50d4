"""Operational data: what the store knows, as XML, as far as it is asked for."""
