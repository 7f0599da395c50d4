"""The server's end: sessions, their operations, and SSH below them."""
