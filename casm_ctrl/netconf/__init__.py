"""NETCONF (RFC 6241, 6242): framing, messages, datastores and sessions.

The protocol core is pure: bytes in, bytes out. Sockets are in `ssh_server` and in the clients only.
"""
