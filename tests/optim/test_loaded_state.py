"""States that would write beyond a tensor, or spoil the weights, are refused by name before they are loaded."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from helpers.optimizers import STEPS, Descent, parameter, put
from lightning_autobalance.optim import AutoAdam, AutoAdamW, AutoBalance
from lightning_autobalance.optim.loaded_state import check_state, shapes_of

Spoil = Callable[[dict[str, Any]], None]


def trained(make: Callable[[Any], Any]) -> Any:
    a, b = parameter(1.0, 2.0), parameter(3.0)
    optimizer = make([a, b])
    for rows in STEPS:
        put(a, rows)
        put(b, [[row[0]] for row in rows])
        optimizer.step()
    return optimizer


def setting(name: str, value: Any, index: int = 0) -> Spoil:
    def spoil(state: dict[str, Any]) -> None:
        state["state"][index][name] = value

    return spoil


def removing(name: str) -> Spoil:
    return lambda state: state["state"][1].pop(name)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (setting("exp_avg_sq", torch.ones(2, 3)), r"`exp_avg_sq` of parameter 0 .* shape \(2, 2\), got \(2, 3\)"),
        (setting("exp_avg", torch.ones(3, 1), 1), r"`exp_avg` of parameter 1 .* shape \(2, 1\), got \(3, 1\)"),
        (setting("exp_avg_sq", torch.ones(1)), r"`exp_avg_sq` of parameter 0 .* shape \(2, 2\), got \(1,\)"),
        (setting("step", torch.ones(2)), r"`step` of parameter 0 .* shape \(\), got \(2,\)"),
        (
            setting("exp_avg", torch.ones(2, 2).long()),
            "`exp_avg` of parameter 0 .* floating-point type, got torch.int64",
        ),
        (setting("exp_avg", torch.full((2, 1), torch.nan), 1), "`exp_avg` of parameter 1 .* got 2 of 2 .* is spoiled"),
        (setting("exp_avg_sq", torch.tensor([[1.0, torch.inf], [1, 1]])), "`exp_avg_sq` of parameter 0 .* 1 of 4"),
        (setting("step", torch.tensor(torch.nan)), "`step` of parameter 0 .* must be finite"),
        (
            removing("exp_avg_sq"),
            r"with the states \['exp_avg', 'exp_avg_sq', 'step'\], got one with \['exp_avg', 'step'\]",
        ),
        (lambda state: state["param_groups"][0].update(terms=3), r"shape \(3, 2\), got \(2, 2\)"),
    ],
)
def test_a_state_that_does_not_fit(spoil: Spoil, message: str) -> None:
    state = trained(AutoAdamW).state_dict()
    spoil(state)
    fresh = trained(AutoAdamW)
    before = [p.clone() for p in fresh.param_groups[0]["params"]]
    with pytest.raises(ValueError, match=f"(?s){message}"):
        fresh.load_state_dict(state)
    assert all(torch.equal(p, q) for p, q in zip(before, fresh.param_groups[0]["params"], strict=True))
    fresh.step()  # as before


def test_states_of_another_optimizer() -> None:
    makes = (AutoAdam, AutoAdamW)
    for make, other in (makes, makes[::-1]):
        with pytest.raises(ValueError, match=f"`state_dict` must come from {make.__name__}, with the states"):
            trained(make).load_state_dict(trained(other).state_dict())
    trained(Descent).load_state_dict(trained(Descent).state_dict())  # declares no states


def wrapping(kind: Any) -> Callable[[Any], AutoBalance]:
    return lambda params: AutoBalance(params, kind)


def test_states_of_wrapped_optimizers() -> None:
    saved = trained(wrapping(torch.optim.RMSprop)).state_dict()
    trained(wrapping(torch.optim.RMSprop)).load_state_dict(saved)
    with pytest.raises(
        ValueError, match=r"must come from AutoBalance around Adam, got one without its options \['amsgrad'"
    ):
        trained(wrapping(torch.optim.Adam)).load_state_dict(saved)
    saved["optimizers"][0][1]["state"][0]["square_avg"] = torch.ones(5)
    with pytest.raises(ValueError, match=r"`square_avg` of parameter 0 .* shape \(2,\), got \(5,\)"):
        trained(wrapping(torch.optim.RMSprop)).load_state_dict(saved)
    saved["optimizers"][0].pop()
    with pytest.raises(ValueError, match=r"`optimizers` must hold 2 states, one per term, got 1"):
        trained(wrapping(torch.optim.RMSprop)).load_state_dict(saved)


def test_names_of_parameters_and_unknown_states() -> None:
    p = parameter(1.0, 2.0)
    groups = [{"params": [p]}]
    of_one = {"param_groups": [{"params": [0]}], "state": {0: {"momentum_buffer": torch.ones(3), "mu": torch.ones(9)}}}
    with pytest.raises(ValueError, match=r"`momentum_buffer` of net\.0\.weight in"):
        check_state(of_one, groups, shapes_of(torch.optim.SGD), {p: "net.0.weight"})
    check_state(of_one, groups, shapes_of(Descent))  # of another package: what the shape must be is not known
    of_one["state"] = {0: {"momentum_buffer": None}}
    check_state(of_one, groups, shapes_of(torch.optim.SGD))


@pytest.mark.parametrize(
    "kind", ["Adam", "AdamW", "Adamax", "NAdam", "RAdam", "SGD", "RMSprop", "Adagrad", "Adadelta", "ASGD", "Rprop"]
)
def test_what_torchs_optimizers_save_fits(kind: str) -> None:
    p, q = parameter(1.0, 2.0), parameter(3.0)
    optimizer = getattr(torch.optim, kind)([p, q], lr=0.1, **({"momentum": 0.5} if kind == "SGD" else {}))
    for x in (p, q):
        x.grad = torch.ones_like(x)
    optimizer.step()
    state: dict[str, Any] = optimizer.state_dict()
    assert state["state"]
    check_state(state, optimizer.param_groups, shapes_of(type(optimizer)))
    for of_parameter in state["state"].values():
        for name, value in of_parameter.items():
            if isinstance(value, Tensor) and value.numel() > 1:
                of_parameter[name] = torch.ones(7)
    with pytest.raises(ValueError, match=r"of parameter 0 .* must have the shape \(2,\), got \(7,\)"):
        check_state(state, optimizer.param_groups, shapes_of(type(optimizer)))
