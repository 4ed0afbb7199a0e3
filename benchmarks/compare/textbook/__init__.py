"""The same task as a pipeline by TFX's own examples, with its defaults."""
