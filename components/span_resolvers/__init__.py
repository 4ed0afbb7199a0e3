"""Resolves spans of the data by what the data gate said of them."""
