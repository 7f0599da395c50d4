"""The control loop: what devices use is watched, and what they lack or leave idle is decided and done.

`deciding` is pure: what is seen of a device pool and its policy in, a decision with its reasons out.
"""
