"""What only the pixels tell of the data: statistics, leaks between splits, damaged images."""
