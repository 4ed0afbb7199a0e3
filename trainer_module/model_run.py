"""What the Trainer leaves in the directory of its model run, by name."""

HISTORY_FILE = "history.json"
"""A list of values an epoch under each metric's name."""

CURVES_FILE = "learning_curves.png"
"""The history as a picture."""

SUMMARY_FILE = "training.json"
"""A JSON object with `parameters`, the peak `learning_rate`, `epochs`, the `best_epoch` and the
`exported_epoch` of them, from 1, the latter's `eval_accuracy` and `eval_loss`, and the `device`."""

TENSORBOARD_DIRECTORY = "tensorboard"
"""The logs for TensorBoard."""
