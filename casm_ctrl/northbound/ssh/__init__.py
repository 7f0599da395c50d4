"""The way in: who may log in over SSH, and how many at once."""
