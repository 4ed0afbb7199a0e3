"""What becomes of runs that are killed, starved or robbed, and are then started again."""
