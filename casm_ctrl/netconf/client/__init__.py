"""The client's end: sessions with devices, by either client, behind one interface."""
