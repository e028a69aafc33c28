"""A server that answers every call after the same time, and what it answers."""
