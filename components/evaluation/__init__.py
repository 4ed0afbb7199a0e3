"""What the Evaluator measures on a model, and how it is read."""
