"""Draws of all parts at once, on a device."""

from collections.abc import Mapping

import pytest
import torch
from numpy.testing import assert_allclose
from torch import Tensor

from helpers.domains import DOMAINS
from helpers.tape import Tape
from lightning_autobalance.points import (
    DeviceUniform,
    Domain,
    Drawing,
    Rectangle,
    sample,
)

CPU = torch.device("cpu")


def counts(domain: Domain) -> dict[str, int]:
    return {part: 13 + i for i, part in enumerate(domain.parts)}


@pytest.mark.parametrize("name", DOMAINS)
@pytest.mark.parametrize("draw", [0, 5, 2**31 - 1])
def test_they_are_the_points_of_sample(name: str, draw: int) -> None:
    domain = DOMAINS[name]
    found = Drawing(domain, counts(domain), 3, CPU, torch.float64)(torch.tensor(draw))
    assert list(found) == list(domain.parts)
    for part, n in counts(domain).items():
        expected = sample(domain, part, n, DeviceUniform(), 3, draw)
        assert found[part].shape == (n, len(domain.coordinates))
        assert_allclose(found[part], expected, rtol=1e-15, atol=1e-15)
        assert domain.contains(found[part].numpy()).all()


def test_fewer_points_than_faces() -> None:
    square = Rectangle((0, 1), (0, 1))
    found = Drawing(square, {"boundary": 2}, 0, CPU, torch.float32)(torch.tensor(1))["boundary"]
    assert found.shape == (2, 2)
    assert found.dtype == torch.float32


def test_the_number_of_the_draw_is_read_when_it_is_drawn() -> None:
    drawing = Drawing(DOMAINS["heat"], {"interior": 5, "initial": 3}, 0, CPU, torch.float64)
    number, out, tape = torch.tensor(0), {"interior": torch.zeros(5, 2), "initial": torch.zeros(3, 2)}, Tape()

    def captured() -> None:
        put(out, drawing(number))

    out = {part: x.double() for part, x in out.items()}
    tape.capture(captured)
    for draw in (4, 9):
        number.fill_(draw)
        tape.replay()
        for part, x in drawing(torch.tensor(draw)).items():
            assert torch.equal(out[part], x)


def put(out: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    for part, x in found.items():
        out[part].copy_(x)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", DOMAINS)
def test_a_gpu_draws_the_same_points(name: str) -> None:
    domain = DOMAINS[name]
    drawings = [Drawing(domain, counts(domain), 3, torch.device(d), torch.float64) for d in ("cpu", "cuda")]
    here, there = (drawing(torch.tensor(11, device=d)) for drawing, d in zip(drawings, ("cpu", "cuda"), strict=True))
    for part in here:
        torch.testing.assert_close(there[part].cpu(), here[part], rtol=1e-14, atol=1e-14)
