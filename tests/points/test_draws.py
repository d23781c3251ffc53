"""Points that change from step to step."""

import torch
from lightning.fabric.utilities.apply_func import move_data_to_device
from lightning.pytorch.plugins.precision import DoublePrecision
from torch import Tensor

from lightning_autobalance.points import Draws, points_of


def at(step: int) -> dict[str, Tensor]:
    return {"interior": torch.full((2, 1), float(step)), "boundary": torch.zeros(1, 1)}


def test_reads_like_the_points_of_its_first_step() -> None:
    draws = Draws(4, at)
    assert float(draws["interior"][0]) == 4
    assert list(draws) == list(draws.keys()) == ["interior", "boundary"]
    assert len(draws) == 2
    assert "interior" in draws
    assert "initial" not in draws
    assert float(draws.get("interior")[0]) == 4
    assert draws.get("initial") is None
    assert [x.shape for x in draws.values()] == [(2, 1), (1, 1)]
    assert {part: len(x) for part, x in draws.items()} == {"interior": 2, "boundary": 1}
    assert torch.equal(dict(draws)["interior"], at(4)["interior"])  # type: ignore[call-overload]


def test_points_of_a_step() -> None:
    assert float(points_of(Draws(4, at), 6)["interior"][0]) == 6
    plain = at(1)
    assert points_of(plain, 6) is plain


def test_lightning_hands_it_on_as_it_is() -> None:
    draws = Draws(4, at)
    assert move_data_to_device(draws, torch.device("cpu")) is draws
    assert DoublePrecision().convert_input(draws) is draws
