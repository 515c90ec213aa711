"""How fast the service is, as ratios to a bare framework measured in the same run."""
