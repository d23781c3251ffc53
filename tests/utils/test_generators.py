"""States of the global generators: read, put back, compared."""

import random

import numpy as np
import torch

from lightning_autobalance.utils import generators

# Python's own generator is drawn from by the type checker of these tests, so that whole runs cannot show it.


def test_nothing_is_drawn_and_what_was_drawn_is_drawn_again() -> None:
    def draw() -> list[float]:
        numbers = [torch.randn(()).item(), torch.rand(3).sum().item(), float(np.random.randn()), random.gauss(0, 1)]
        return [*numbers, random.random(), float(np.random.rand())]

    np.random.seed(1)
    np.random.randn()  # the second of a pair is left
    random.seed(1)
    random.gauss(0, 1)
    torch.manual_seed(1)
    state = generators.random_state()
    first = draw()
    assert draw() != first
    generators.set_random_state(state)
    assert draw() == first


def test_it_is_told_whether_anything_was_drawn() -> None:
    state = generators.random_state()
    assert generators.same_random_state(state, generators.random_state())
    for draw in (torch.randn, np.random.randn):
        draw(1)
        assert not generators.same_random_state(state, generators.random_state())
        generators.set_random_state(state)
        assert generators.same_random_state(state["torch"], generators.random_state()["torch"])
