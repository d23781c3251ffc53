"""What holds for every aggregator."""

import copy
import io
import math
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

# What some methods do differently, by name; every other one does as the first test of each pair says.
COUNT_AS_ZERO = {"MConFIG", "DBMTL"}  # average over steps: an unusable row counts as a row of zeros
PASS_ON = {"FromTorchJD"}  # hands unusable rows to TorchJD
ORDER_MATTERS = {"PCGrad", "GradVac", "MConFIG"}  # a random order, or one term after the other
NOT_PICKLED = {"FromTorchJD"}  # TorchJD's aggregators cannot be pickled


def all_but(*names: str) -> pytest.MarkDecorator:
    assert EVERY.keys() > set(names)
    return only(*EVERY.keys() - set(names))


def only(*names: str) -> pytest.MarkDecorator:
    chosen = {name: make for name, make in EVERY.items() if name in names}
    assert len(chosen) == len(names) > 0
    return pytest.mark.parametrize("make", chosen.values(), ids=chosen)


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
    method = make()
    idle = 2 if isinstance(method, MConFIG) else 0  # its first m - 1 steps move nothing
    for k in range(5):
        found = method(jacobian(3, seed=k, scale=scale).float())
        assert torch.isfinite(found).all()
        assert bool(found.norm() > 0) == (k >= idle)


bad_values = pytest.mark.parametrize("bad", [0.0, float("nan"), float("inf")])


def with_row_of(value: float, seed: int = 1) -> Tensor:
    return torch.cat([jacobian(2, seed=seed), torch.full((1, 40), value, dtype=torch.float64)])


@all_but(*COUNT_AS_ZERO, *PASS_ON)
@bad_values
def test_unusable_rows_are_left_out(make: Callable[[], Aggregator], bad: float) -> None:
    assert_close(make()(with_row_of(bad)), make()(jacobian(2, seed=1)))


@only(*COUNT_AS_ZERO)
@bad_values
def test_unusable_rows_count_as_zero_in_an_average(make: Callable[[], Aggregator], bad: float) -> None:
    method, zeros = make(), make()
    for seed in range(4):
        found = method(with_row_of(bad, seed))
        assert torch.isfinite(found).all()
        assert_close(found, zeros(with_row_of(0.0, seed)), rtol=0.0, atol=0.0)
    assert found.norm() > 0


@only(*PASS_ON)
@bad_values
def test_unusable_rows_are_passed_on(make: Callable[[], Aggregator], bad: float) -> None:
    assert_close(make()(with_row_of(bad)), torchjd.Sum()(with_row_of(bad)), equal_nan=True)


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
def test_opposite_gradients_cancel(make: Callable[[], Aggregator]) -> None:
    row = jacobian(1)
    method = make()
    for _ in range(4):
        assert method(torch.cat([row, -row])).norm() <= 1e-6


@all_but(*ORDER_MATTERS)
def test_the_order_of_terms_does_not_matter(make: Callable[[], Aggregator]) -> None:
    rows = jacobian(3, seed=2, ratio=10.0)
    assert_close(make()(rows[[2, 0, 1]]), make()(rows), rtol=1e-6, atol=1e-9)


@only(*ORDER_MATTERS)
def test_the_order_of_terms_matters(make: Callable[[], Aggregator]) -> None:
    method, permuted, differences = make(), make(), []
    for seed in range(5):
        rows = jacobian(3, n=3, seed=seed, ratio=10.0)  # in three dimensions most of them conflict
        differences.append(float((method(rows) - permuted(rows[[2, 0, 1]])).norm() / rows.norm()))
    assert max(differences) > 1e-2


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


def assert_copies_go_the_same_way(make: Callable[[], Aggregator], copied: Callable[[Aggregator], Aggregator]) -> None:
    method = make()
    warmed(method)
    other = copied(method)
    expected = warmed(method, start=10)
    assert all(torch.equal(a, b) for a, b in zip(warmed(other, start=10), expected, strict=True))


@every
def test_deep_copies_go_the_same_way(make: Callable[[], Aggregator]) -> None:
    assert_copies_go_the_same_way(make, copy.deepcopy)


@all_but(*NOT_PICKLED)
def test_pickled_copies_go_the_same_way(make: Callable[[], Aggregator]) -> None:
    assert_copies_go_the_same_way(make, lambda method: pickle.loads(pickle.dumps(method)))


BAD_VALUES: dict[str, tuple[Callable[[float], Aggregator], str, list[float]]] = {
    "CAGrad": (CAGrad, "`c` must be finite and >= 0", [-0.5, math.inf]),
    "DBMTL_beta": (DBMTL, r"`beta` must be in \[0, 1\)", [-0.1, 1.0]),
    "DBMTL_sigma": (lambda value: DBMTL(sigma=value), "`sigma` must be finite and >= 0", [-1.0]),
    "GradVac": (GradVac, r"`beta` must be in \[0, 1\]", [-0.1, 1.1]),
    "MConFIG_first": (lambda value: MConFIG((value, 0.9)), r"`betas\[0\]` must be in \[0, 1\)", [-0.1, 1.0]),
    "MConFIG_second": (lambda value: MConFIG((0.9, value)), r"`betas\[1\]` must be in \[0, 1\)", [-0.1, 1.0]),
    "MConFIG_eps": (lambda value: MConFIG(eps=value), "`eps` must be finite and > 0", [0.0, -1.0]),
    "MGDA": (lambda value: MGDA(clamp=value), r"`clamp` must be in \[0, 0\.5\)", [-0.1, 0.5]),
    "NashMTL": (NashMTL, "`max_norm` must be > 0, got .* Leave it out not to clip", [0.0, -1.0]),
}


@pytest.mark.parametrize(("make", "message", "values"), BAD_VALUES.values(), ids=BAD_VALUES)
def test_bad_values_are_refused(make: Callable[[float], Aggregator], message: str, values: list[float]) -> None:
    for value in (*values, math.nan):
        with pytest.raises(ValueError, match=message):
            make(value)


@every
def test_training_with_it(make: Callable[[], Aggregator], tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = Poisson2D(balancer=make(), optimizer=partial(torch.optim.AdamW, lr=1e-3))
    before = torch.cat([p.detach().clone().flatten() for p in module.parameters()])
    fit(module, tmp_path, max_steps=5)
    after = torch.cat([p.detach().flatten() for p in module.parameters()])
    assert torch.isfinite(after).all()
    assert (after != before).any()
