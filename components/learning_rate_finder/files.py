"""What the learning-rate finder puts out, by name."""

HYPERPARAMETERS_FILE = "best_hyperparameters.txt"
"""In the hyperparameters: Keras Tuner's JSON, under the name that TFX's Tuner gives it."""

CURVE_FILE = "curve.json"
"""In the results: the fields of `Finding` and `Curve`."""

PLOT_FILE = "learning_rate_finder.png"
"""In the results: loss against the logarithm of the rate, with the pick marked."""

TENSORBOARD_DIRECTORY = "tensorboard"
"""In the results: the logs for TensorBoard."""
