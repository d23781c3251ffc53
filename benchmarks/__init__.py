"""How the project's numbers are made: the paper's experiments, comparisons with peers, costs; `python -m benchmarks`.

Run from the root of a clone. It imports the package, and the package never imports it.
"""
