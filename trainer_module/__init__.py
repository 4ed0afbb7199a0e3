"""What runs inside Transform and Trainer: features, preprocessing, model, training.

Nothing here imports ``pipeline`` or ``components``, so the package can be shipped to a
Beam worker or a training machine by itself.
"""
