"""The curated schemas, as a person reads them and beside what the data is. Free of TensorFlow."""
