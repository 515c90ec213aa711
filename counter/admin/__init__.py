"""WHO RUNS IT: the second listener, for health and metrics."""
