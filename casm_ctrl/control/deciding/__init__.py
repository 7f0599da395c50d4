"""What is to be done about a device pool, and why: no I/O, no clock, no chance."""
