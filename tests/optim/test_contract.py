"""What holds for every post-combine optimizer."""

import copy
import inspect
import io
import math
import pickle
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jaxtyping
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from helpers.optimizers import CallLog, Descent, net, parameter, put, train
from lightning_autobalance import optim
from lightning_autobalance.jacobian import backward
from lightning_autobalance.optim import AutoAdam, AutoAdamW, AutoBalance, AutoSOAP, PostCombine

Make = Callable[[Any], PostCombine]


EVERY: dict[str, Make] = {
    "descent": Descent,
    "auto_adam": AutoAdam,
    "auto_adamw": AutoAdamW,
    "auto_adamw_weights": lambda params: AutoAdamW(params, weight_decay=0.1, combine=[0.5, 2.0]),
    "auto_adamw_eps_root": lambda params: AutoAdamW(params, eps=0.0, eps_root=1e-8),
    "auto_adamw_foreach": lambda params: AutoAdamW(params, foreach=True),
    "auto_adamw_tensor_lr": lambda params: AutoAdamW(params, lr=torch.tensor(1e-3), capturable=True),
    "auto_soap": AutoSOAP,
    "auto_soap_frequent": lambda params: AutoSOAP(params, precondition_frequency=2, weight_decay=0.1, combine="mean"),
    "auto_soap_tensor_lr": lambda params: AutoSOAP(params, lr=torch.tensor(1e-3)),
    "auto_balance": partial(AutoBalance, optimizer=torch.optim.RMSprop),
}
NOT_COMPILED = ("auto_soap", "auto_balance")  # whose steps differ: one refreshes bases, the other makes optimizers
COMPILED = {name: make for name, make in EVERY.items() if not name.startswith(NOT_COMPILED)}
every = pytest.mark.parametrize("make", EVERY.values(), ids=EVERY)


def test_the_list_is_complete() -> None:
    named = {getattr(optim, name) for name in optim.__all__}
    concrete = {cls for cls in named if isinstance(cls, type) and issubclass(cls, PostCombine)} - {PostCombine}
    assert inspect.isabstract(PostCombine)
    assert {type(make([parameter(1.0)])) for make in EVERY.values()} == {*concrete, Descent}


# Gradients ------------------------------------------------------------------------------------------------------------


@every
def test_parameter_without_jac_is_left_alone(make: Make) -> None:
    a, b, c = parameter(1.0), parameter(1.0), parameter(1.0)
    optimizer = make([a, b, c])
    put(a, [[1.0], [2.0]])
    b.jac = None  # type: ignore[attr-defined]
    optimizer.step()
    assert a.item() != 1.0
    assert (b.item(), c.item()) == (1.0, 1.0)
    assert not optimizer.state[b]
    assert not optimizer.state[c]


@every
def test_parameter_may_join_later(make: Make) -> None:
    a, b = parameter(1.0), parameter(1.0)
    optimizer = make([a, b])
    put(a, [[1.0], [2.0]])
    optimizer.step()
    put(b, [[1.0], [2.0]])
    optimizer.step()
    assert b.item() != 1.0


@every
def test_no_jac_at_all_names_the_call_that_is_missing(make: Make) -> None:
    w = parameter(1.0)
    w.grad = torch.ones_like(w)
    with pytest.raises(
        RuntimeError, match=r"got none\. Call `lightning_autobalance\.backward\(losses, params\)` instead"
    ):
        make([w]).step()


@every
def test_number_of_terms_is_kept(make: Make) -> None:
    w = parameter(1.0)
    optimizer = make([w])
    put(w, [[1.0], [2.0]])
    optimizer.step()
    put(w, [[1.0], [2.0], [3.0]])
    with pytest.raises(ValueError, match=r"trained with 2 loss terms, found 3: .* or make a new optimizer"):
        optimizer.step()
    fresh = make([w])
    fresh.load_state_dict(optimizer.state_dict())
    with pytest.raises(ValueError, match="trained with 2 loss terms, found 3"):
        fresh.step()


@every
def test_gradient_in_any_memory_layout(make: Make) -> None:
    results = []
    for layout in (lambda jac: jac, lambda jac: jac.transpose(1, 2).contiguous().transpose(1, 2)):
        w = torch.ones(3, 2, dtype=torch.float64, requires_grad=True)
        optimizer = make([w])
        for k in range(3):
            w.jac = layout(torch.arange(12.0, dtype=torch.float64).view(2, 3, 2) - k)  # type: ignore[attr-defined]
            optimizer.step()
        results.append(w.detach())
    assert_close(*results, rtol=0.0, atol=0.0)


@every
def test_torchjd_feeds_the_optimizer(make: Make) -> None:
    autojac = pytest.importorskip("torchjd.autojac")
    ours, theirs = net(), net()
    expected = train(ours, make(ours.parameters()), 1)
    optimizer = make(theirs.parameters())
    for _ in range(2):  # the second time after zero_grad, into which TorchJD must be able to write
        x = torch.rand(7, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        optimizer.zero_grad()
        autojac.backward([theirs(x).square().mean(), (theirs(x) - 1).abs().mean()])
    optimizer.step()
    assert_close([p.detach() for p in theirs.parameters()], expected)


# Terms and parameters, by name and once -----------------------------------------------------------------------------


def steps_on(
    make: Make, orders: Sequence[Sequence[str]], times: int = 1, state: Any = None
) -> tuple[Tensor, PostCombine]:
    w = parameter(1.0, 2.0)
    optimizer = make([w] * times)
    if state is not None:
        optimizer.load_state_dict(state)
    for order in orders:
        losses = {"a": 100 * w.square().sum(), "b": (w[0] - 3) ** 4 + w[1]}
        optimizer.zero_grad()
        backward({name: losses[name] for name in order}, [w] * times)
        optimizer.step()
    return w.detach(), optimizer


@every
def test_terms_in_another_order_are_matched_by_name(make: Make) -> None:
    expected, _ = steps_on(make, ["ab"] * 4)
    found, optimizer = steps_on(make, ["ab", "ba", "ba", "ab"])
    assert_close(found, expected, rtol=0.0, atol=0.0)
    assert optimizer.param_groups[0]["term_names"] == ["a", "b"]


@every
def test_terms_in_another_order_after_a_resume_are_matched_by_name(make: Make) -> None:
    _, before = steps_on(make, ["ab"] * 2)
    state = before.state_dict()
    expected, _ = steps_on(make, ["ab"] * 2, state=copy.deepcopy(state))
    assert_close(steps_on(make, ["ba", "ab"], state=copy.deepcopy(state))[0], expected, rtol=0.0, atol=0.0)


@every
def test_as_many_terms_of_other_names_are_refused(make: Make) -> None:
    w, before = steps_on(make, ["ab"])
    (w,) = before.param_groups[0]["params"]
    kept = w.tolist()
    before.zero_grad()
    backward({"a": w.square().sum(), "d": w.sum()}, [w])
    with pytest.raises(ValueError, match=r"with the loss terms \['a', 'b'\], got \['a', 'd'\]: .* a new optimizer"):
        before.step()
    assert w.tolist() == kept


@every
def test_a_parameter_that_is_listed_twice_counts_once(make: Make) -> None:
    assert_close(steps_on(make, ["ab"] * 3, times=2)[0], steps_on(make, ["ab"] * 3)[0], rtol=0.0, atol=0.0)
    w = parameter(1.0)
    assert make([("w", w), ("again", w)]).param_groups[0]["params"] == [w]
    assert make([{"params": [w, w]}]).param_groups[0]["params"] == [w]


@every
def test_parameters_of_one_step_may_have_their_terms_in_different_orders(make: Make) -> None:
    results = []
    for order in ("ab", "ba"):
        v, w = parameter(1.0, 2.0), parameter(3.0)
        optimizer = make([{"params": [v]}, {"params": [w]}])
        for _ in range(3):
            losses = {"a": (v * w).square().sum(), "b": (v.sum() - 4 * w[0]) ** 2}
            optimizer.zero_grad()
            backward(losses, [v], shared=True)
            losses = {"a": (v * w).square().sum(), "b": (v.sum() - 4 * w[0]) ** 2}
            backward({name: losses[name] for name in order}, [w])
            optimizer.step()
        results.append([v.detach(), w.detach()])
    assert_close(*results, rtol=0.0, atol=0.0)


# Closure and hooks ----------------------------------------------------------------------------------------------------


@every
def test_closure_is_called_first_and_its_value_returned(make: Make) -> None:
    w = parameter(1.0)

    def closure() -> Tensor:
        losses = {"a": w.square().sum(), "b": (w + 3).square().sum()}
        backward(losses, [w])
        return torch.stack(list(losses.values())).sum().detach()

    optimizer = make([w])
    assert_close(optimizer.step(closure).item(), 17.0)
    assert w.item() != 1.0
    assert optimizer.step() is None


@every
def test_hook_sees_each_terms_own_update_once_per_step(make: Make) -> None:
    a, b = parameter(1.0, 2.0), parameter(3.0)
    optimizer = make([{"params": [a]}, {"params": [b], "lr": 0.5, "combine": "sum", "weight_decay": 0.0}])
    seen: list[list[Tensor]] = []

    def hook(params: list[Tensor], deltas: list[Tensor]) -> None:
        assert [p is q for p, q in zip(params, [a, b], strict=True)] == [True, True]
        assert params[1].item() == 3.0  # nothing moved yet
        seen.append([delta.clone() for delta in deltas])

    handle = optimizer.register_update_hook(hook)
    put(a, [[1.0, 1.0], [3.0, -2.0]])
    put(b, [[2.0], [-5.0]])
    optimizer.step()
    handle.remove()
    assert [delta.shape for delta in seen[0]] == [(2, 2), (2, 1)]
    assert_close(b.item(), 3.0 + seen[0][1].sum().item())
    optimizer.step()
    assert len(seen) == 1


def test_hook_changes_nothing() -> None:
    plain, watched = net(), net()
    optimizer = AutoAdamW(watched.parameters(), combine=[0.3, 0.7])
    optimizer.register_update_hook(lambda _params, _deltas: None)
    expected = train(plain, AutoAdamW(plain.parameters(), combine=[0.3, 0.7]), 5)
    assert_close(train(watched, optimizer, 5), expected, rtol=0.0, atol=0.0)


# Lifecycle ------------------------------------------------------------------------------------------------------------


@every
def test_resume_equals_uninterrupted(make: Make) -> None:
    u = net()
    optimizer = make(u.parameters())
    train(u, optimizer, 5)
    file = io.BytesIO()
    torch.save({"net": u.state_dict(), "optimizer": optimizer.state_dict()}, file)
    expected = train(u, optimizer, 5, start=5)
    file.seek(0)
    saved = torch.load(file, weights_only=True)
    fresh = net()
    again = make(fresh.parameters())
    fresh.load_state_dict(saved["net"])
    again.load_state_dict(saved["optimizer"])
    assert_close(train(fresh, again, 5, start=5), expected, rtol=0.0, atol=0.0)


@every
def test_loading_into_a_used_optimizer_replaces_its_state(make: Make) -> None:
    u = net()
    optimizer = make(u.parameters())
    calls: list[int] = []
    optimizer.register_update_hook(CallLog(calls))
    train(u, optimizer, 2)
    weights, state = copy.deepcopy(u.state_dict()), copy.deepcopy(optimizer.state_dict())
    expected = train(u, optimizer, 2, start=2)
    u.load_state_dict(weights)
    optimizer.load_state_dict(state)
    assert_close(train(u, optimizer, 2, start=2), expected, rtol=0.0, atol=0.0)
    assert calls == [4] * 6  # loading keeps the hooks


@every
@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))], ids=["deepcopy", "pickle"]
)
def test_a_copy_goes_the_same_way_by_itself(make: Make, copied: Callable[[Any], Any]) -> None:
    u = net()
    optimizer = make(u.parameters())
    train(u, optimizer, 3)
    optimizer.zero_grad()
    u2, optimizer2 = copied((u, optimizer))
    expected = train(u, optimizer, 3, start=3)
    assert_close(train(u2, optimizer2, 3, start=3), expected, rtol=0.0, atol=0.0)


def test_state_of_another_kind_of_optimizer_is_refused() -> None:
    u = net()
    with pytest.raises(ValueError, match="`state_dict` must come from AutoAdamW, got one with a single state"):
        AutoAdamW(u.parameters()).load_state_dict(torch.optim.AdamW(u.parameters()).state_dict())


@every
def test_group_added_later_is_trained(make: Make) -> None:
    a, b = parameter(1.0), parameter(1.0)
    optimizer = make([a])
    put(a, [[1.0], [2.0]])
    optimizer.step()
    optimizer.add_param_group({"params": [b], "lr": 0.25})
    put(b, [[1.0], [2.0]])
    optimizer.step()
    assert b.item() != 1.0
    assert optimizer.param_groups[1]["lr"] == 0.25


def test_named_parameters() -> None:
    u = net()
    optimizer = AutoAdamW(u.named_parameters())
    train(u, optimizer, 1)
    assert optimizer.param_groups[0]["param_names"][0] == "0.weight"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"lr": -1.0}, "`lr` must be finite and >= 0, got -1.0"),
        ({"lr": math.nan}, "`lr` must be finite and >= 0, got nan"),
        ({"lr": torch.ones(2)}, r"`lr` must be one number, got a tensor of shape \(2,\)"),
        ({"weight_decay": -0.5}, "`weight_decay` must be finite and >= 0, got -0.5"),
        ({"combine": "median"}, '`combine` must be "sum", "mean" or a list of weights, got "median"'),
        ({"combine": [1.0, math.inf]}, r"`combine` must hold one finite weight per loss term, got \[1.0, inf\]"),
        ({"combine": []}, r"`combine` must hold one finite weight per loss term, got \[\]"),
    ],
)
@every
def test_bad_values_are_refused(make: Make, values: dict[str, Any], message: str) -> None:
    w = parameter(1.0)
    with pytest.raises(ValueError, match=message):
        make([{"params": [w], **values}])
    optimizer = make([w])
    with pytest.raises(ValueError, match=message):
        optimizer.add_param_group({"params": [parameter(1.0)], **values})
    assert len(optimizer.param_groups) == 1


@every
def test_parameters_of_other_types_are_refused(make: Make) -> None:
    for dtype in (torch.complex64, torch.int64):
        with pytest.raises(TypeError, match=re.escape(f"`params` must be of real floating-point type, got {dtype}")):
            make([torch.ones(2, dtype=dtype)])


@pytest.mark.filterwarnings("ignore:`torch.jit.script_method`:DeprecationWarning")  # torch's own, in inductor
@pytest.mark.parametrize(
    ("make", "backend"),
    [
        pytest.param(make, backend, id=f"{name}-{backend}", marks=pytest.mark.slow if slow else ())
        for name, make in COMPILED.items()
        for backend in ("aot_eager", "inductor")
        for slow in [backend == "inductor" or name in ("auto_adamw_weights", "auto_adamw_foreach")]
    ],
)
def test_compiled_step_equals_eager(make: Make, backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # Dynamo cannot trace the checks
    torch._dynamo.reset()
    plain, compiled = net(), net()
    expected = train(plain, make(plain.parameters()), 5)
    optimizer = make(compiled.parameters())
    monkeypatch.setattr(optimizer, "step", torch.compile(optimizer.step, backend=backend, fullgraph=True))
    assert_close(train(compiled, optimizer, 5), expected, rtol=1e-13, atol=1e-14)
    torch._dynamo.reset()
