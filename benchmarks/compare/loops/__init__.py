"""The same training without a pipeline."""
