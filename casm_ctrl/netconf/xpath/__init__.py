"""XPath filters and conditions, read here and evaluated by libxml2 (RFC 6241, 8.9)."""
