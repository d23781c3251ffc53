"""Agreement with TorchJD and conflictfree on one set of inputs, and where we differ on purpose."""

import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from helpers.jacobians import RATIOS, SCALES, jacobian
from lightning_autobalance.balancing import IMTLG, MGDA, AlignedMTL, ConFIG, DualProj, FromTorchJD, PCGrad, UPGrad

torchjd = pytest.importorskip("torchjd.aggregation")

INPUTS = {
    f"m{m}-scale{scale:g}-ratio{ratio:g}-rank{rank}": jacobian(m, seed=m, scale=scale, ratio=ratio, rank=rank)
    for m, scale, ratio in itertools.product((2, 3, 5), SCALES, RATIOS)
    for rank in ((m,) if m == 2 else (m, m - 1))
}
every = pytest.mark.parametrize("rows", INPUTS.values(), ids=INPUTS)


def inputs_with(condition: Callable[[Tensor], bool], count: int) -> pytest.MarkDecorator:
    """The inputs on which an oracle can be trusted, and how many these are."""
    chosen = {name: rows for name, rows in INPUTS.items() if condition(rows)}
    assert len(chosen) == count, f"{len(chosen)} of {len(INPUTS)} inputs"
    return pytest.mark.parametrize("rows", chosen.values(), ids=chosen)


def agree(ours: Tensor, theirs: Tensor, tolerance: float) -> bool:
    return bool((ours - theirs).norm() <= tolerance * max(ours.norm(), theirs.norm()))


def full_rank(rows: Tensor) -> bool:
    values = torch.linalg.svdvals(rows / rows.norm(dim=1, keepdim=True))
    return bool(values[-1] > 1e-9 * values[0])


def spread(rows: Tensor) -> float:
    norms = rows.norm(dim=1)
    return float(norms.max() / norms.min())


def two_rows(rows: Tensor) -> bool:
    return len(rows) == 2


@inputs_with(full_rank, 27)  # else the direction rests on a pseudo-inverse, whose cut-offs differ
def test_config(rows: Tensor) -> None:
    assert agree(ConFIG()(rows), torchjd.ConFIG()(rows), 1e-6)


@inputs_with(full_rank, 27)
def test_config_of_conflictfree(rows: Tensor) -> None:
    conflictfree = pytest.importorskip("conflictfree.grad_operator")
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # it makes its ones in the default type
    try:
        theirs = conflictfree.ConFIGOperator(allow_simplified_model=False).calculate_gradient(rows)
    finally:
        torch.set_default_dtype(before)
    assert agree(ConFIG()(rows), theirs, 1e-6)


# TorchJD inverts the Gram matrix, which loses digits with the square of the norms' spread.
@inputs_with(lambda rows: full_rank(rows) and spread(rows) < 1e5, 18)
def test_imtl_g(rows: Tensor) -> None:
    assert agree(IMTLG()(rows), torchjd.IMTLG()(rows), 1e-4)


@inputs_with(two_rows, 9)  # from three rows on the order is random in both
def test_pc_grad(rows: Tensor) -> None:
    assert agree(PCGrad()(rows), torchjd.PCGrad()(rows), 1e-9)


def their_mgda(rows: Tensor) -> Tensor:
    gradient: Tensor = torchjd.MGDA(epsilon=1e-12, max_iters=2000)(rows)
    return gradient


@every
def test_mgda_is_no_longer(rows: Tensor) -> None:
    assert MGDA()(rows).norm() <= their_mgda(rows).norm() * (1 + 1e-9)  # theirs iterates, and stops early


@inputs_with(two_rows, 9)
def test_mgda_of_two(rows: Tensor) -> None:
    assert agree(MGDA()(rows), their_mgda(rows), 1e-6)


# TorchJD drops eigenvalues below the default type's rounding: a spread of norms beyond 1e3 squares to that.
@inputs_with(lambda rows: full_rank(rows) and spread(rows) <= 1e2, 9)
def test_aligned_mtl(rows: Tensor) -> None:
    assert agree(AlignedMTL(mean=True)(rows), torchjd.AlignedMTL()(rows), 1e-6)


@inputs_with(lambda rows: spread(rows) < 1e4, 30)  # their solver regularises the raw Gram matrix
@pytest.mark.parametrize("method", ["UPGrad", "DualProj"])
def test_projections(rows: Tensor, method: str) -> None:
    projector = pytest.importorskip("torchjd.linalg").QuadprogProjector(norm_eps=0.0, reg_eps=1e-12)
    ours = {"UPGrad": UPGrad, "DualProj": DualProj}[method]()(rows)
    assert agree(ours, getattr(torchjd, method)(projector=projector)(rows), 1e-4)


# On purpose different -------------------------------------------------------------------------------------------------


def test_imtl_g_of_gradients_of_very_different_size_keeps_both() -> None:
    rows = jacobian(2, ratio=1e6).float()
    ours, theirs = IMTLG()(rows).double(), torchjd.IMTLG()(rows).double()
    exact = (rows.double() / rows.double().norm(dim=1, keepdim=True)).sum(dim=0)
    assert torch.cosine_similarity(ours, exact, dim=0) > 1 - 1e-6
    assert torch.cosine_similarity(theirs, exact, dim=0) < 0.9  # the smaller one was dropped


def test_aligned_mtl_of_gradients_of_very_different_size_keeps_both() -> None:
    rows = jacobian(2, ratio=1e5).float()
    least = torch.linalg.svdvals(rows.double())[-1]
    expected = least * (2**0.5)
    assert AlignedMTL()(rows).norm().item() == pytest.approx(expected.item(), rel=1e-3)
    assert torchjd.AlignedMTL()(rows).norm().item() > 100 * expected.item()


# The adapter ----------------------------------------------------------------------------------------------------------


def test_any_aggregator_of_torchjd() -> None:
    rows = jacobian(5).float()
    found = FromTorchJD(torchjd.TrimmedMean(1))(rows)
    torch.testing.assert_close(found, torchjd.TrimmedMean(1)(rows.double()).float())


def test_what_is_no_aggregator_is_refused() -> None:
    with pytest.raises(TypeError, match=r"`aggregator`|'aggregator'"):  # from us, or from the tests' type checker
        FromTorchJD("Krum")  # type: ignore[arg-type]
