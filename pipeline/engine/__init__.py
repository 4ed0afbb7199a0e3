"""Runs the graph in a process of its own, and says how far it is."""
