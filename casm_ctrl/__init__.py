"""CASM controller: keeps address space in one place and installs it on devices over NETCONF."""

__version__ = "0.1.0"
