"""TensorFlow Serving for Docker, with its monitoring, and a client that asks it."""
