"""Access control (RFC 8341), pure: rules, users, and what each may do where."""
