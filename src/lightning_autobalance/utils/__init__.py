"""Small helpers that know nothing of equations, networks or training."""
