"""What `python -m pipeline.serving` does, by what it is for."""
