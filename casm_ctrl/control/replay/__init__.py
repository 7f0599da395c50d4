"""A policy run over recorded or generated usage, on a clock that is moved: what would have happened.

`samples` reads and writes usage, `scenario` reads policies; `stock`, `subscribers` and `course` are the world in which
the policy acts; `figures` is what is measured. Nothing here talks to a device or a store.
"""
