"""The data gate: nothing learns from data that was not looked at."""
