"""Pushes a model to the serving directory whole or not at all."""
