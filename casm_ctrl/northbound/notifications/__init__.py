"""Notifications: what happens, told to whoever subscribed (RFC 5277, 6470, 8639, 8640, 8641).

Everything that is told is a row of the audit, so that it is told in one order, also by other processes'
doing, and again after a restart.
"""
