"""The application: configuration, the graph, and the commands that a person types."""
