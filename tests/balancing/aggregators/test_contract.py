"""What holds for every aggregator."""

import copy
import io
import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from helpers.jacobians import jacobian
from helpers.toys import Poisson2D, fit
from lightning_autobalance.balancing import (
    DBMTL,
    IMTLG,
    MGDA,
    Aggregator,
    AlignedMTL,
    CAGrad,
    ConFIG,
    DualProj,
    FromTorchJD,
    GradVac,
    MConFIG,
    NashMTL,
    PCGrad,
    UPGrad,
    aggregators,
)

torchjd = pytest.importorskip("torchjd.aggregation")
EVERY: dict[str, Callable[[], Aggregator]] = {
    "MGDA": MGDA,
    "MGDA_l2": partial(MGDA, normalize="l2"),
    "PCGrad": PCGrad,
    "IMTLG": IMTLG,
    "ConFIG": ConFIG,
    "MConFIG": MConFIG,
    "CAGrad": CAGrad,
    "NashMTL": NashMTL,
    "AlignedMTL": AlignedMTL,
    "DBMTL": DBMTL,
    "GradVac": GradVac,
    "UPGrad": UPGrad,
    "DualProj": DualProj,
    "FromTorchJD": lambda: FromTorchJD(torchjd.Sum()),
}
every = pytest.mark.parametrize("make", EVERY.values(), ids=EVERY)
RANDOM_ORDER = ("PCGrad", "GradVac")  # visit the terms in an order of their own
FOREIGN = ("FromTorchJD",)  # does what TorchJD does with rows that cannot be used


def warmed(method: Aggregator, steps: int = 4, m: int = 3, start: int = 0) -> list[Tensor]:
    return [method(jacobian(m, seed=start + k)) for k in range(steps)]


def test_the_list_is_complete() -> None:
    named = {getattr(aggregators, name) for name in aggregators.__all__}
    concrete = {cls for cls in named if not getattr(cls, "__abstractmethods__", None)}
    assert {type(make()) for make in EVERY.values()} == concrete
    assert {path.stem for path in (Path(aggregators.__file__).parent).glob("*.py")} >= {"mgda", "pc_grad", "config"}


@every
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("m", [1, 2, 3, 5, 8])
def test_shape_type_and_finiteness(make: Callable[[], Aggregator], m: int, dtype: torch.dtype) -> None:
    method = make()
    for k in range(m + 1):
        rows = jacobian(m, seed=k, scale=1e-3, ratio=1e4).to(dtype)
        found = method(rows)
        assert found.shape == (40,)
        assert found.dtype == dtype
        assert torch.isfinite(found).all()


@every
@pytest.mark.parametrize("scale", [1e-8, 1e8])
def test_any_scale(make: Callable[[], Aggregator], scale: float) -> None:
    assert all(torch.isfinite(found).all() and found.norm() > 0 for found in _runs(make(), scale)[3:])


def _runs(method: Aggregator, scale: float) -> list[Tensor]:
    return [method(jacobian(3, seed=k, scale=scale).float()) for k in range(5)]


@every
@pytest.mark.parametrize("bad", [0.0, float("nan"), float("inf")])
def test_unusable_rows_count_for_nothing(
    make: Callable[[], Aggregator], bad: float, request: pytest.FixtureRequest
) -> None:
    name = request.node.callspec.id.split("-")[-1]
    if name in FOREIGN or name in ("MConFIG", "DBMTL"):  # these keep a mean, in which such a row counts as zero
        method = make()
        found = [method(torch.cat([jacobian(2, seed=k), torch.full((1, 40), bad).double()])) for k in range(4)]
        assert name in FOREIGN or all(torch.isfinite(one).all() for one in found)
        return
    rows = jacobian(2, seed=1)
    with_bad = torch.cat([rows, torch.full((1, 40), bad, dtype=torch.float64)])
    assert_close(make()(with_bad), make()(rows))


@every
def test_no_gradient_at_all(make: Callable[[], Aggregator]) -> None:
    method = make()
    for _ in range(4):
        assert torch.equal(method(torch.zeros(3, 4)), torch.zeros(4))


@every
def test_parallel_gradients_point_their_way(make: Callable[[], Aggregator]) -> None:
    row = jacobian(1)
    method = make()
    for _ in range(4):
        found = method(torch.cat([row, 10 * row, 0.1 * row]))
    preconditioned = torch.sign(row[0]) if isinstance(method, MConFIG) else row[0]
    assert torch.cosine_similarity(found, preconditioned, dim=0) > 1 - 1e-3


@every
def test_opposite_gradients_give_something_finite(make: Callable[[], Aggregator]) -> None:
    row = jacobian(1)
    method = make()
    for _ in range(4):
        found = method(torch.cat([row, -row]))
        assert torch.isfinite(found).all()
        assert found.norm() <= 1e-6 or isinstance(method, MConFIG)


@every
def test_the_order_of_terms_does_not_matter(make: Callable[[], Aggregator], request: pytest.FixtureRequest) -> None:
    if request.node.callspec.id not in (*RANDOM_ORDER, "MConFIG"):
        rows = jacobian(3, seed=2, ratio=10.0)
        assert_close(make()(rows[[2, 0, 1]]), make()(rows), rtol=1e-6, atol=1e-9)


@every
def test_it_is_deterministic_and_goes_on_from_its_state(make: Callable[[], Aggregator]) -> None:
    whole, part, fresh = make(), make(), make()
    expected = [*warmed(whole), *warmed(whole, start=10)][4:]
    warmed(part)
    file = io.BytesIO()
    torch.save(part.state_dict(), file)
    file.seek(0)
    fresh.load_state_dict(torch.load(file, weights_only=True))
    for found, wanted in zip(warmed(fresh, start=10), expected, strict=True):
        assert torch.equal(found, wanted)


@every
def test_copies_go_the_same_way(make: Callable[[], Aggregator], request: pytest.FixtureRequest) -> None:
    method = make()
    warmed(method)
    others = [copy.deepcopy(method)]
    if request.node.callspec.id not in FOREIGN:
        others.append(pickle.loads(pickle.dumps(method)))
    expected = warmed(method, start=10)
    for other in others:
        assert all(torch.equal(a, b) for a, b in zip(warmed(other, start=10), expected, strict=True))


@every
def test_training_with_it(make: Callable[[], Aggregator], tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = Poisson2D(balancer=make(), optimizer=partial(torch.optim.AdamW, lr=1e-3))
    before = torch.cat([p.detach().clone().flatten() for p in module.parameters()])
    fit(module, tmp_path, max_steps=5)
    after = torch.cat([p.detach().flatten() for p in module.parameters()])
    assert torch.isfinite(after).all()
    assert (after != before).any()
