"""The forms in which people have images, other than TFRecords: how each is read."""
