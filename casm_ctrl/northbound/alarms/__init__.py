"""Alarms over NETCONF: the data, the actions and the notifications of ietf-alarms (RFC 8632)."""
