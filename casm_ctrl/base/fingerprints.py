"""SSH host keys as people compare them: `ssh-keygen -l` prints the same."""

from __future__ import annotations

import base64
import binascii
import hashlib


def fingerprint_of(blob: bytes) -> str:
    """SHA256:… of a public key in its SSH encoding (RFC 4253, 6.6)."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def fingerprint_of_line(line: str) -> str:
    """The same of a key that is written as type and base64; the text itself where it is not."""
    fields = line.split()
    try:
        return fingerprint_of(base64.b64decode(fields[1], validate=True))
    except (IndexError, binascii.Error):
        return line
