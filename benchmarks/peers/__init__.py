"""`python -m benchmarks peers`: the time of one training step, beside peers and beside a floor.

Every contender trains in a process of its own, on one thread, and they take turns in random order.
"""
