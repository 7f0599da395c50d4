"""The controller as a NETCONF server: our YANG models, read, edited and acted upon with any NETCONF client."""
