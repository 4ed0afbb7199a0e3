"""Refuses models that a server could not load, or that would not answer as evaluated."""
