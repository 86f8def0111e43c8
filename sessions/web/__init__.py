"""What every HTTP handler of the service shares: the edge, errors, bodies, keys."""
