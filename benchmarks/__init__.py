"""What was measured, and the commands that measure it again."""

from components import quiet

# Their tables are all that they print.
quiet.silence_tensorflow()
