"""Errors against the exact solution."""

import copy
import pickle
from collections.abc import Callable
from math import inf, isnan, nan, sqrt
from typing import Any

import jaxtyping
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close
from torchmetrics import MeanSquaredError, Metric

from lightning_autobalance.metrics import MSE, LInfinity, RelativeL2, solution_metrics

KINDS = [MSE, LInfinity, RelativeL2]
kinds = pytest.mark.parametrize("kind", KINDS)
PREDS, TARGET = [[1.0, 2.0], [3.0, -4.0]], [[1.0, 0.0], [0.0, 0.0]]  # errors 0, 2, 3, 4; squares 29; exact 1


def tensor(*rows: list[float], dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.tensor(rows, dtype=dtype)


def fields(count: int, k: int = 2, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(count)
    target = torch.randn(count, k, generator=generator, dtype=torch.float64)
    error = torch.rand(count, k, generator=generator, dtype=torch.float64)
    return (target + error).to(dtype), target.to(dtype)


def value(metric: Metric, *batches: tuple[Tensor, Tensor]) -> Tensor:
    for preds, target in batches:
        metric.update(preds, target)
    return metric.compute()


REFERENCE: dict[type[Metric], Callable[[Tensor, Tensor], Tensor]] = {
    MSE: lambda p, t: ((p - t) ** 2).mean(),
    LInfinity: lambda p, t: (p - t).abs().max(),
    RelativeL2: lambda p, t: torch.linalg.vector_norm(p - t) / torch.linalg.vector_norm(t),
}

# Hand-computed values -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "expected"), [(MSE, 29 / 4), (LInfinity, 4.0), (RelativeL2, sqrt(29))])
def test_by_hand(kind: type[Metric], expected: float) -> None:
    assert value(kind(), (tensor(*PREDS), tensor(*TARGET))).item() == pytest.approx(expected, rel=1e-15)


def test_the_collection_by_hand() -> None:
    metrics = solution_metrics()
    metrics.update(tensor(*PREDS), tensor(*TARGET))
    found = {name: number.item() for name, number in metrics.compute().items()}
    assert found == pytest.approx({"val/mse": 29 / 4, "val/linf": 4.0, "val/rel_l2": sqrt(29)}, rel=1e-15)
    assert sorted(solution_metrics("test/").keys()) == ["test/linf", "test/mse", "test/rel_l2"]


def test_several_fields_have_their_own_relative_errors() -> None:
    metrics = solution_metrics("val/", ("u", "p"))
    metrics.update(tensor([1.0, 3.0], [2.0, 0.0]), tensor([1.0, 1.0], [0.0, 2.0]))
    found = {name: number.item() for name, number in metrics.compute().items()}
    each = {"val/rel_l2/u": 2.0, "val/rel_l2/p": sqrt(8 / 5)}
    assert found == pytest.approx({"val/mse": 3.0, "val/linf": 2.0, "val/rel_l2": sqrt(12 / 6), **each})
    assert sorted(solution_metrics("test/", ("u",)).keys()) == ["test/linf", "test/mse", "test/rel_l2"]


@pytest.mark.parametrize(
    ("preds", "target", "expected"),
    [(0.0, 0.0, 0.0), (1.0, 0.0, inf), (0.0, 2.0, 1.0), (nan, 0.0, nan), (nan, 1.0, nan)],
)
def test_relative_error_of_a_zero_solution(preds: float, target: float, expected: float) -> None:
    found = value(RelativeL2(), (tensor([preds]), tensor([target]))).item()
    assert found == pytest.approx(expected, nan_ok=True)


@kinds
def test_a_nan_is_seen(kind: type[Metric]) -> None:
    bad = tensor([0.0], [nan])
    clean = fields(2, k=1)
    assert isnan(value(kind(), (bad, tensor([1.0], [1.0])), clean).item())


# Properties -----------------------------------------------------------------------------------------------------------


@kinds
@pytest.mark.parametrize("sizes", [(100,), (50, 50), (1, 9, 90)])
def test_batches_add_up_to_the_whole(kind: type[Metric], sizes: tuple[int, ...]) -> None:
    preds, target = fields(100)
    found = value(kind(), *zip(preds.split(list(sizes)), target.split(list(sizes)), strict=True))
    assert_close(found, REFERENCE[kind](preds, target), rtol=1e-14, atol=0.0)


@kinds
def test_the_error_is_no_mean_over_batches(kind: type[Metric]) -> None:
    """One point with a small solution, three with a large: the mean over the two batches is far off."""
    batches = [(tensor([1.0]), tensor([0.1])), (tensor([1.0], [1.0], [1.0]), tensor([100.0], [100.0], [100.0]))]
    whole = torch.cat([p for p, _ in batches]), torch.cat([t for _, t in batches])
    mean = torch.stack([REFERENCE[kind](*batch) for batch in batches]).mean()
    found = value(kind(), *batches)
    assert_close(found, REFERENCE[kind](*whole))
    assert abs(found / mean - 1) > 0.3


@kinds
def test_float64_stays_float64(kind: type[Metric]) -> None:
    preds, target = fields(1000)
    found = value(kind(), (preds, target), (preds, target))
    assert found.dtype == torch.float64
    assert_close(found, REFERENCE[kind](preds, target), rtol=1e-13, atol=0.0)


def test_torchmetrics_own_mean_squared_error_does_not() -> None:
    """Why there is one of ours; when this fails, there need not be."""
    assert value(MeanSquaredError(), fields(10)).dtype == torch.float32


@kinds
@pytest.mark.parametrize("low", [torch.bfloat16, torch.float16])
def test_half_precision_adds_up_in_float32(kind: type[Metric], low: torch.dtype) -> None:
    preds, target = fields(1000, dtype=low)
    found = value(kind(), *[(preds, target.float())] * 20)
    assert found.dtype == torch.float32
    assert_close(found, REFERENCE[kind](preds.double(), target.double()).float())


@kinds
def test_different_shapes_are_refused(kind: type[Metric], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # as outside tests
    with pytest.raises(ValueError, match=r"`preds` and `target` must have the same shape, got \(3, 1\) and \(3,\)"):
        kind().update(torch.zeros(3, 1), torch.zeros(3))


# Lifecycle ------------------------------------------------------------------------------------------------------------


@kinds
def test_reset_forgets(kind: type[Metric]) -> None:
    metric = kind()
    value(metric, (tensor([100.0]), tensor([1.0])))
    metric.reset()
    batch = fields(10)
    assert_close(value(metric, batch), REFERENCE[kind](*batch))


def halves(kind: type[Metric]) -> tuple[Metric, Metric, Tensor]:
    """What two ranks have seen, unevenly, and the error over all of it."""
    preds, target = fields(100)
    ranks = kind(), kind()
    for rank, part in zip(ranks, (slice(30), slice(30, None)), strict=True):
        rank.update(preds[part], target[part])
    return *ranks, REFERENCE[kind](preds, target)


@kinds
def test_states_merge(kind: type[Metric]) -> None:
    one, other, expected = halves(kind)
    one.merge_state(other)
    assert_close(one.compute(), expected)


@kinds
def test_two_ranks_see_the_error_over_all_points(kind: type[Metric]) -> None:
    one, other, expected = halves(kind)
    names = iter(one._reductions)  # the order in which torchmetrics gathers

    def gather(state: Tensor, group: Any = None) -> list[Tensor]:
        return [state, getattr(other, next(names))]

    one.sync(dist_sync_fn=gather, distributed_available=lambda: True)
    one._to_sync = False  # done
    assert_close(one.compute(), expected)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"])
def test_copies_go_on_by_themselves(copied: Callable[[Any], Any]) -> None:
    first, second = fields(10), fields(20)
    metrics = solution_metrics()
    metrics.update(*first)
    twin = copied(metrics)
    twin.update(*second)
    whole = [torch.cat(pair) for pair in zip(first, second, strict=True)]
    assert_close(twin.compute()["val/rel_l2"], REFERENCE[RelativeL2](*whole))
    assert_close(metrics.compute()["val/rel_l2"], REFERENCE[RelativeL2](*first))


def test_states_are_no_part_of_a_checkpoint() -> None:
    metrics = solution_metrics()
    metrics.update(*fields(10))
    assert not metrics.state_dict()
