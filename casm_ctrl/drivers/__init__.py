"""Drivers: each translates between device pools and one device data model. Data and a small translator."""
