"""Takes in TFRecords file by file, in memory that does not grow with them."""
