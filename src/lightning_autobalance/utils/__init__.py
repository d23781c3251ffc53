"""Small helpers, independent of equations, networks and training."""
