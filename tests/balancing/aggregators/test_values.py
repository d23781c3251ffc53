"""Hand-computed gradients of every aggregator (two pairs in conflict, one not, and a triple)."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from lightning_autobalance.balancing import (
    DBMTL,
    IMTLG,
    MGDA,
    AlignedMTL,
    CAGrad,
    ConFIG,
    DualProj,
    GradVac,
    MConFIG,
    NashMTL,
    PCGrad,
    UPGrad,
)

A = [[1.0, 0.0], [-1.0, 2.0]]
B = [[3.0, 0.0], [1.0, 1.0]]
C = [[4.0, 0.0], [-1.0, 1.0]]
T = [[1.0, 0.0, 0.0], [-1.0, 2.0, 0.0], [0.0, -1.0, 2.0]]


def rows(jacobian: Any) -> Tensor:
    return torch.tensor(jacobian, dtype=torch.float64)


@pytest.mark.parametrize(
    ("method", "jacobian", "expected"),
    [
        (MGDA(), A, [0.5, 0.5]),
        (MGDA(), B, [1.0, 1.0]),
        (MGDA(), C, [0.1538461538, 0.7692307692]),
        (MGDA(), T, [1 / 3, 1 / 3, 1 / 3]),
        (MGDA(normalize="l2"), A, [0.0, 1.0]),
        (MGDA(), [[1e-3, 0.0], [0.5, 1.0]], [1e-3, 0.0]),
        (MGDA(clamp=0.001), [[1e-3, 0.0], [0.5, 1.0]], [0.001499, 0.001]),
        (PCGrad(), A, [0.8, 2.4]),
        (PCGrad(), B, [4.0, 1.0]),
        (PCGrad(), C, [2.0, 3.0]),
        (IMTLG(), A, [0.3819660113, 0.6180339887]),
        (IMTLG(), B, [1.640754482, 0.679622759]),
        (IMTLG(), C, [0.3060193748, 0.738796125]),
        (IMTLG(), T, [0.2200178888, 0.3559964222, 0.4239856889]),
        (ConFIG(), A, [0.894427191, 1.4472135955]),
        (ConFIG(), B, [3.767766953, 1.5606601718]),
        (ConFIG(), C, [0.7928932188, 1.9142135624]),
        (ConFIG(), T, [0.7463808989, 1.2076696629, 1.4383140449]),
        (CAGrad(), A, [0.5, 1.0]),
        (CAGrad(rescale="square"), A, [0.4, 0.8]),
        (CAGrad(rescale="linear"), A, [1 / 3, 2 / 3]),
        (CAGrad(), B, [2.7288689869, 1.2288689869]),
        (CAGrad(), C, [0.9409830056, 1.0590169944]),
        (NashMTL(), A, [0.7434960689, 1.2030019100]),
        (NashMTL(), B, [1.3065629649, 0.5411961001]),
        (NashMTL(), C, [0.5411961001, 1.3065629649]),
        (NashMTL(), T, [0.6772106183, 0.9640471339, 1.2696451875]),
        (NashMTL(max_norm=1.0), A, [0.7434960689 / 2**0.5, 1.2030019100 / 2**0.5]),
        (AlignedMTL(), A, [0.5527864045, 1.105572809]),
        (AlignedMTL(), B, [1.1441846386, 0.6865107832]),
        (AlignedMTL(), C, [0.7596526541, 1.1394789812]),
        (AlignedMTL(), T, [0.4736383912, 0.8110374771, 1.1075528213]),
        (AlignedMTL(mean=True), A, [0.27639320225, 0.5527864045]),
        (UPGrad(), A, [0.4, 1.2]),
        (UPGrad(), B, [2.0, 0.5]),
        (UPGrad(), C, [1.0, 1.5]),
        (UPGrad(), T, [0.2539682540, 0.6603174603, 0.9968253968]),
        (DualProj(), A, [0.0, 1.0]),
        (DualProj(), B, [2.0, 0.5]),
        (DualProj(), C, [1.0, 1.0]),
        (DualProj(), T, [0.0, 1 / 3, 2 / 3]),
        (GradVac(), A, [0.8, 2.4]),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, torch.nn.Module) else None,
)
def test_vectors(method: Any, jacobian: Any, expected: list[float]) -> None:
    assert_close(method(rows(jacobian)), rows(expected), rtol=0.0, atol=2e-10)


@pytest.mark.parametrize(("order", "expected"), [([0, 1, 2], [0.4, 1.72, 2.96]), ([2, 1, 0], [0.8, 1.8, 2.8])])
def test_pc_grad_in_a_given_order(order: list[int], expected: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    class Ordered:
        def permutation(self, count: int) -> np.ndarray:
            return np.array(order)

    monkeypatch.setattr(np.random, "Generator", lambda _: Ordered())
    assert_close(PCGrad()(rows(T)), rows(expected))


def test_grad_vac_turns_to_the_target_cosine() -> None:
    method = GradVac(beta=0.0)
    method.targets = rows([[0.0, 0.2], [-1.0, 0.0]])  # the second is left as it is
    turned = method(rows(A)) - rows(A[1])
    assert_close(turned, rows([0.71835034, 0.56329932]), rtol=0.0, atol=1e-8)
    assert_close(torch.cosine_similarity(turned, rows(A[1]), dim=0).item(), 0.2)


def test_grad_vac_remembers_cosines() -> None:
    method = GradVac(beta=0.5)
    method(rows(B))
    assert_close(method.targets, rows([[0.0, 0.5 * 2**-0.5], [0.5 * 2**-0.5, 0.0]]))


def test_db_mtl_in_two_steps() -> None:
    method = DBMTL()
    of_logs = rows([[2.0, 0.0], [-0.5, 1.0]])  # pair A with losses 0.5 and 2
    assert_close(method(of_logs), rows([0.11055728, 0.17888544]), rtol=0.0, atol=5e-8)
    assert_close(method(of_logs), rows([0.21005883, 0.33988233]), rtol=0.0, atol=5e-8)


def test_m_config_in_four_steps() -> None:
    method = MConFIG()
    steps = [(0, [1.0, 0.0]), (1, [-1.0, 2.0]), (0, [2.0, 1.0]), (1, [0.0, 1.0])]
    expected = [[0.0, 0.0], [0.9999999888, 0.9999999931], [1.0012845721, 0.9554405457], [1.0035397473, 0.9282280543]]
    for (turn, gradient), step in zip(steps, expected, strict=True):
        assert list(method.rows_needed(2)) == [turn]
        jacobian = torch.full((2, 2), 7.0, dtype=torch.float64)  # whatever the other row holds
        jacobian[turn] = rows(gradient)
        assert_close(method(jacobian), rows(step), rtol=0.0, atol=1e-9)


def rows_of(k: int, **sizes: int) -> Tensor:
    """Gradients of two terms in step k; those of a parameter do not depend on the others."""
    generators = [torch.Generator().manual_seed(100 * k + ord(name)) for name in sizes]
    parts = [
        torch.randn(2, n, generator=g, dtype=torch.float64) for g, n in zip(generators, sizes.values(), strict=True)
    ]
    return torch.cat(parts, dim=1)


@pytest.mark.parametrize("make", [DBMTL, MConFIG])
def test_a_frozen_parameter_is_not_there(make: type[DBMTL | MConFIG]) -> None:
    alone, both = make(), make()
    for k in range(5):
        alone.align({"a": 3})
        both.align({"a": 3})
        assert torch.equal(both(rows_of(k, a=3)), alone(rows_of(k, a=3)))
    both.align({"b": 4, "a": 3})  # unfrozen
    both(rows_of(5, b=4, a=3))
    alone.align({"a": 3})
    alone(rows_of(5, a=3))
    both.align({"a": 3})
    assert_close(both.state_dict()[both.per_parameter[0]], alone.state_dict()[both.per_parameter[0]])


def test_config_momenta_of_a_young_parameter_are_corrected_by_its_own_updates() -> None:
    method = MConFIG(betas=(0.5, 0.5))
    for k in range(6):
        method.align({"a": 3})
        method(rows_of(k, a=3))
    method.align({"a": 3, "b": 1})
    first = method(torch.cat([rows_of(6, a=3), torch.ones(2, 1, dtype=torch.float64)], dim=1))
    assert first[3] == 0.0  # the other term had no turn yet
    assert (first[:3] != 0).all()
    second = method(torch.cat([rows_of(7, a=3), torch.ones(2, 1, dtype=torch.float64)], dim=1))
    assert abs(abs(second[3].item()) - 1.0) < 1e-6  # as Adam's first move, whatever the gradient


def test_config_momenta_of_an_older_checkpoint_go_on() -> None:
    method, resumed = MConFIG(), MConFIG()
    for k in range(5):
        method(rows_of(k, a=3))
    state = method.state_dict()
    state["_extra_state"] = {"calls": 5}  # all that it had
    resumed.load_state_dict(state)
    for k in range(5, 9):
        resumed.align({"a": 1, "b": 2})
        assert torch.equal(resumed(rows_of(k, a=3)), method(rows_of(k, a=3)))
