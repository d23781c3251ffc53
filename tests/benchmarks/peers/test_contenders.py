"""Contenders compute the same and train; one that computes something else is refused."""

from typing import Any

import pytest
import torch
from torch import Tensor

from benchmarks.peers import ours
from benchmarks.peers.agreement import DisagreementError, deviation
from benchmarks.peers.case import Case
from benchmarks.peers.contender import Contender, Prepared
from benchmarks.peers.contenders import BY_NAME, CONTENDERS
from benchmarks.peers.problems import PROBLEMS
from benchmarks.peers.products import products_of
from lightning_autobalance.module import PINNModule

pytestmark = pytest.mark.filterwarnings("ignore")  # the peers' own warnings are not ours to cure
POINTS = {"helmholtz_2d": {"interior": 12, "boundary": 8}, "poisson_inverse_2d": {"interior": 12}}
POINTS["reaction_diffusion_1d"] = {**POINTS["helmholtz_2d"], "initial": 4}
EAGER = [contender for contender in CONTENDERS if contender.name != "fit_compiled"]


class _EnoughError(Exception):
    pass


def small(problem: str) -> Case:
    return Case(problem, POINTS[problem], width=10)


def prepared(contender: Contender, case: Case) -> Prepared:
    if reason := contender.missing():
        pytest.skip(reason)
    return contender.setup(case)


def train(made: Prepared, steps: int) -> None:
    done = []

    def tick() -> None:
        done.append(1)
        if len(done) == steps:
            raise _EnoughError

    with pytest.raises(_EnoughError):
        made.run(tick)


def weights(net: torch.nn.Module) -> Tensor:
    return torch.cat([torch.zeros(0), *(p.detach().flatten() for p in net.parameters())])


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("contender", EAGER, ids=lambda contender: contender.name)
def test_contenders_agree_and_train(contender: Contender, problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DDE_BACKEND", "pytorch")
    case = small(problem)
    made = prepared(contender, case)
    before = weights(made.net)
    found = deviation(case, made)
    assert torch.equal(weights(made.net), before)
    train(made, 2)
    if contender.name == "products":
        assert found is None
    else:
        assert found is not None
        assert 0 < found < 1e-4
        assert not torch.equal(weights(made.net), before)


@pytest.mark.slow
def test_the_compiled_contender_agrees() -> None:
    case = small("helmholtz_2d")
    found = deviation(case, prepared(BY_NAME["fit_compiled"], case))
    assert found is not None
    assert 0 < found < 1e-4


def test_other_losses_are_refused() -> None:
    case = small("helmholtz_2d")
    made = BY_NAME["nested"].setup(case)

    def doubled() -> dict[str, Tensor]:
        return {term: 2 * loss for term, loss in case.losses(made.net, case.data).items()}

    with pytest.raises(DisagreementError, match=r"must agree within 0.001, got a deviation of 1.0e\+00"):
        deviation(case, made._replace(losses=doubled))
    with pytest.raises(DisagreementError, match=r"must be of the terms \['pde', 'boundary'\], got \['pde'\]"):
        deviation(case, made._replace(losses=lambda: {"pde": doubled()["pde"]}))


def test_other_gradients_are_refused() -> None:
    case = small("helmholtz_2d")
    made = BY_NAME["fit"].setup(case)
    assert made.gradients is not None
    rows = made.gradients()
    with pytest.raises(DisagreementError, match="got a deviation"):
        deviation(case, made._replace(gradients=lambda: rows.flip(0)))
    with pytest.raises(DisagreementError, match="got a deviation of nan"):
        deviation(case, made._replace(gradients=lambda: rows * torch.nan))


def test_a_run_that_falls_back_is_no_compiled_contender(monkeypatch: pytest.MonkeyPatch) -> None:
    def warn(*_: Any) -> None:
        import warnings

        warnings.warn("`compile` is of no effect: no compiler.", stacklevel=1)

    made = BY_NAME["fit_compiled"].setup(small("helmholtz_2d"))
    monkeypatch.setattr(ours, "train", warn)
    assert made.gradients is not None
    with pytest.raises(ours.NotCompiledError, match="no compiler"):
        made.gradients()


def test_no_compiled_contender_without_the_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    def without(self: Any, net: Any = None) -> None: ...

    def with_it(self: Any, net: Any = None, compile: bool = False) -> None: ...  # noqa: A002

    monkeypatch.setattr(PINNModule, "__init__", with_it)
    assert BY_NAME["fit_compiled"].missing() == ""
    monkeypatch.setattr(PINNModule, "__init__", without)
    assert BY_NAME["fit_compiled"].missing() == "`PINNModule` has no argument `compile`"


def test_what_is_not_installed_is_named() -> None:
    missing = BY_NAME["nested"]._replace(needs="no_such_peer").missing()
    assert missing == "`no_such_peer` is not installed"
    assert BY_NAME["nested"].missing() == ""


def test_parts_are_the_whole_in_the_mean() -> None:
    whole, parts = Case("helmholtz_2d", POINTS["helmholtz_2d"]), Case("helmholtz_2d", POINTS["helmholtz_2d"], parts=4)
    module = parts.module()
    losses, expected = module.losses(parts.data), whole.losses(whole.net(), whole.data)
    assert list(losses) == list(parts.losses(parts.net(), parts.data))
    assert len(losses) == 8
    for term, value in expected.items():
        mean = torch.stack([loss for name, loss in losses.items() if name.startswith(term)]).mean()
        torch.testing.assert_close(mean, value, rtol=1e-4, atol=1e-4)


def test_products_are_recorded_as_they_lie() -> None:
    a, b, c = torch.rand(2, 3), torch.rand(4, 3), torch.rand(4)

    def step() -> None:
        torch.nn.functional.linear(a, b, c).add_(1.0)
        torch.bmm(a[None], b.T[None])
        a.sin() * 2

    found = products_of(step)
    assert [(x.shape, y.shape) for x, y in found] == [((2, 3), (3, 4)), ((1, 2, 3), (1, 3, 4))]
    assert found[0][1].stride() == b.T.stride()
    assert torch.equal(found[0][0], a)


def test_products_are_those_of_four_streams() -> None:
    """Streams u, u_x, u_y and u_xx + u_yy; 5 layers' products with b = 12, w = 10, and one of the edge's, b = 8."""
    case, w = small("helmholtz_2d"), 10
    module = case.module(derivatives="taylor")
    found = products_of(lambda: module.losses(case.data))
    inside = 12 * 2 * w + 2 * 2 * w + 2 * (4 * 12 * w * w) + 2 * 12 * w
    edge = 8 * 2 * w + 2 * (8 * w * w) + 8 * w
    assert sum(x.numel() * y.shape[-1] for x, y in found) == inside + edge
