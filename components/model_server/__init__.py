"""TensorFlow Serving: its image, a client for it, and the server itself on this machine."""
