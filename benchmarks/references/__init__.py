"""Reference solutions of problems that have no closed form, by small scripts of numpy and scipy."""
