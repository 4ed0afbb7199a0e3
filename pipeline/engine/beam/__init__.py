"""The engine that runs the Beam stages: what it is told, and what is made of what it says."""
