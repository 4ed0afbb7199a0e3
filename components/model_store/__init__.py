"""The versions of a model in a serving directory: pushed, rolled back and pruned, each whole."""
