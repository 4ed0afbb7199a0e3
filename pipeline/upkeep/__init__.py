"""What keeps a root usable over the years: moves, kills, damage and growth. Free of TensorFlow."""
