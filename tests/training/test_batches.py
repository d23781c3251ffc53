"""Batches from loaders of the user's own: as points, checked at the first one, and trained."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import LightningDataModule
from torch import Tensor, nn
from torch.utils.data import DataLoader

from helpers.toys import Decay, fit, points, trainer
from lightning_autobalance.module import PINNModule
from lightning_autobalance.points import Interval
from lightning_autobalance.training.batches import as_points, example_batch, has_own_loader, point_counts
from lightning_autobalance.variants import RBA

LINE = Interval(0.0, 1.0)
INSIDE, ENDS = torch.linspace(0.1, 0.9, 16)[:, None], torch.tensor([[0.0], [1.0]])


class Own(LightningDataModule):
    """Not ours, though it counts something."""

    counts = 3

    def __init__(self, **batch: Any) -> None:
        super().__init__()
        self.batch = {"interior": INSIDE, "boundary": ENDS, **batch}

    def train_dataloader(self) -> Any:
        return DataLoader([self.batch] * 5, batch_size=None)

    def val_dataloader(self) -> Any:
        return DataLoader([INSIDE.double()], batch_size=None)  # type: ignore[arg-type]


def train(tmp_path: Path, module: PINNModule, steps: int = 2, **batch: Any) -> PINNModule:
    trainer(tmp_path, max_steps=steps).fit(module, Own(**batch))
    return module


def seeded(cls: type[PINNModule] = Decay, **options: Any) -> PINNModule:
    torch.manual_seed(0)
    return cls(**options)


def weights(module: PINNModule) -> Tensor:
    return torch.cat([p.detach().flatten() for p in module.parameters()])


def test_points_get_the_type_and_indices_keep_theirs() -> None:
    batch = {"interior": INSIDE.double(), "boundary": ENDS.long(), "ids": torch.arange(3), "u": INSIDE.half()}
    found = as_points(batch, LINE, torch.float32)
    assert {part: x.dtype for part, x in found.items()} == {
        "interior": torch.float32,
        "boundary": torch.float32,
        "ids": torch.int64,
        "u": torch.float32,
    }
    assert found["boundary"].tolist() == [[0.0], [1.0]]


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ([INSIDE], r"must be a mapping, .* \{'interior': \(b, 1\), 'boundary': \(b, 1\), .*\}, got a list"),
        ({"interior": INSIDE.numpy()}, "`interior` in the batches of the loader .* got a ndarray"),
        ({"interior": INSIDE.to(torch.complex64)}, "`interior` .* got type torch.complex64"),
    ],
)
def test_what_is_no_mapping_to_real_tensors_is_refused(batch: Any, message: str) -> None:
    with pytest.raises(MisconfigurationException, match=message):
        as_points(batch, LINE, torch.float32)


def test_the_example_names_every_part() -> None:
    assert example_batch(LINE) == "{'interior': (b, 1), 'boundary': (b, 1), 'left': (b, 1), 'right': (b, 1)}"


def test_whose_loader_it_is(tmp_path: Path) -> None:
    module = seeded()
    assert (has_own_loader(None), point_counts(None)) == (False, None)
    ours = fit(module, tmp_path, max_steps=1)
    assert (has_own_loader(ours), point_counts(ours)) == (False, {"interior": 16, "boundary": 2})
    other = trainer(tmp_path, max_steps=1)
    other.fit(module, Own())
    assert (has_own_loader(other), point_counts(other)) == (True, None)


# In training ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_points_of_another_type_train_as_those_of_the_networks(dtype: torch.dtype, tmp_path: Path) -> None:
    inside = INSIDE.to(torch.float16)
    same = train(tmp_path, seeded(), interior=inside.float())
    assert torch.equal(
        weights(train(tmp_path, seeded(), interior=inside.to(dtype), boundary=ENDS.long())), weights(same)
    )


def test_the_check_of_the_first_batch_changes_nothing(tmp_path: Path) -> None:
    class Random(Decay):
        def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
            return {term: r * torch.rand(len(r), 1) for term, r in super().residuals(points).items()}

    def run(**options: Any) -> Tensor:
        return weights(train(tmp_path, seeded(Random, **options)))

    assert torch.equal(run(), run(check_exact=False))


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ({"interior": INSIDE[:, 0]}, r"`interior` in the batches of the loader .*\(b, 1\).*got \(16,\).*\[:, None\]"),
        ({"interior": INSIDE.expand(2, 16, 1)}, r"got \(2, 16, 1\)\. A DataLoader stacks .*`batch_size=None`"),
        ({"boundary": ENDS[:0]}, r"`boundary` .* got \(0, 1\)\. Give the part at least one point"),
        ({"boundary": ENDS * torch.nan}, "`boundary` in the batches of the loader must be finite, got 2 NaN"),
    ],
)
def test_wrong_points_are_refused_by_name(batch: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(MisconfigurationException, match=message):
        train(tmp_path, seeded(), **batch)


def with_data(data: Any, **extra: Any) -> type[PINNModule]:
    class Fits(Decay):
        measured = ("data",)

        def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
            return {**super().residuals(points), "data": data(self, points)}

    return Fits


def test_measurements_and_indices_of_ones_own_are_trained(tmp_path: Path) -> None:
    cls = with_data(lambda self, p: self(p["x"]) - p["u"][p["ids"]])
    batch = {"x": INSIDE, "u": torch.exp(-INSIDE).double(), "ids": torch.arange(16)}
    for variant in (None, RBA()):
        assert train(tmp_path, seeded(cls, variant=variant), **batch).terms == ("pde", "boundary", "data")


@pytest.mark.parametrize("count", [16, 5])
def test_broadcasting_to_points_by_points_is_refused(count: int, tmp_path: Path) -> None:
    cls = with_data(lambda self, p: self(p["x"]) - p["u"])
    with pytest.raises(MisconfigurationException, match=rf"one row per point.*got shape \(16, {count}\) for 'data'"):
        train(tmp_path, seeded(cls), x=INSIDE, u=INSIDE[:count, 0])


def test_targets_of_the_module_broadcast_too(tmp_path: Path) -> None:
    cls = with_data(lambda self, p: self(p["x"]) - torch.zeros(16))
    with pytest.raises(MisconfigurationException, match=r"got shape \(16, 16\) for 'data'"):
        train(tmp_path, seeded(cls), x=INSIDE)


def test_as_many_columns_as_points_of_another_part_are_no_mistake(tmp_path: Path) -> None:
    cls = with_data(lambda self, p: torch.cat([self(p["x"]), 2 * self(p["x"])], dim=1))  # and 2 ends
    assert "data" in train(tmp_path, seeded(cls), x=INSIDE).terms


def test_a_part_that_the_loader_lacks_is_said_to_be_the_loaders(tmp_path: Path) -> None:
    cls = with_data(lambda self, p: self(p["sensors"]))
    with pytest.raises(MisconfigurationException, match="asks for points 'sensors', but the loader has only"):
        train(tmp_path, seeded(cls))


def test_a_failure_on_the_first_batch_shows_the_batch(tmp_path: Path) -> None:
    cls = with_data(lambda self, p: self(p["x"]))
    with pytest.raises(MisconfigurationException, match=r"must take the batches of the loader, .*'x': \(16, 3\)"):
        train(tmp_path, seeded(cls), x=torch.ones(16, 3))


def test_a_wrong_exact_solution_is_found_with_a_loader_of_ones_own(tmp_path: Path) -> None:
    class Wrong(Decay):
        def exact(self, x: Tensor) -> Tensor:
            return torch.exp(x)

    with pytest.raises(MisconfigurationException, match="must vanish on the exact solution"):
        train(tmp_path, seeded(Wrong))


def test_a_checkpoint_with_other_terms_is_refused_at_the_first_batch(tmp_path: Path) -> None:
    first = trainer(tmp_path, max_steps=5)
    first.fit(seeded(), Own())
    first.save_checkpoint(tmp_path / "a.ckpt")

    class Fits(Decay):
        def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
            return {**super().residuals(points), "more": self(points["boundary"])}

    Fits.__qualname__ = Decay.__qualname__
    with pytest.raises(MisconfigurationException, match=r"The checkpoint must hold the loss terms .*'more'"):
        trainer(tmp_path, max_steps=10).fit(seeded(Fits, check_exact=False), Own(), ckpt_path=tmp_path / "a.ckpt")


# Unknown parameters ---------------------------------------------------------------------------------------------------


class Inverse(Decay):
    """With an unknown factor, registered before or after the network."""

    def __init__(self, dtype: torch.dtype, shape: tuple[int, ...], **options: Any) -> None:
        super().__init__(**options)
        net = self.net
        del self.net
        self.c = nn.Parameter(torch.ones(shape, dtype=dtype))
        self.net = net

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        found = super().residuals(points)
        return {**found, "pde": found["pde"] * self.c}


@pytest.mark.parametrize("shape", [(), (1,)])
@pytest.mark.parametrize("method", ["post", "sum"])
def test_a_float64_unknown_trains_and_keeps_its_type(shape: tuple[int, ...], method: str, tmp_path: Path) -> None:
    options: dict[str, Any] = {"optimizer": torch.optim.Adam} if method == "sum" else {}
    module = Inverse(torch.float64, shape, **options)
    fit(module, tmp_path, data=points(module), max_steps=3)
    assert module.c.dtype == torch.float64
    assert not torch.equal(module.c, torch.ones_like(module.c))
    assert {p.dtype for p in module.net.parameters()} == {torch.float32}


def test_a_complex_unknown_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(MisconfigurationException, match=r"`c` of Inverse must be a real .*, got torch\.complex64"):
        fit(module := Inverse(torch.complex64, ()), tmp_path, data=points(module), max_steps=1)
