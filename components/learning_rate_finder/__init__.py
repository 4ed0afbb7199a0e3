"""The learning-rate finder: the peak of the learning rate, from a range test."""
