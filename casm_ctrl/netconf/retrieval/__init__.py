"""What retrievals ask for, and cutting that out of data."""
