"""AutoSOAP against AutoAdamW, SOAP and its own slow form."""

import copy
import io
import pickle
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from pytorch_optimizer import SOAP
from torch import Tensor, nn
from torch.testing import assert_close

from helpers.optimizers import STEPS, net, parameter, path, random_jacs, train
from lightning_autobalance.jacobian import backward
from lightning_autobalance.optim import AutoAdamW, AutoSOAP
from lightning_autobalance.optim.eigenbasis import as_matrices, matrix_shape
from lightning_autobalance.optim.reference import SoapState, auto_soap_reference_

SHAPES = ((4, 3), (4,), (4, 3), (1, 3), (), (3, 2, 2))  # with 4 terms, the first Gram matrices have full rank
M = 4


def weights(shapes: Sequence[tuple[int, ...]] = SHAPES, **kind: Any) -> list[Tensor]:
    return [torch.ones(shape, **{"dtype": torch.float64, **kind}, requires_grad=True) for shape in shapes]


def gradients(steps: int, shapes: Sequence[tuple[int, ...]] = SHAPES, m: int = M) -> list[list[Tensor]]:
    """Per step, for each parameter those of all terms, whose norms differ by a factor of 1e6."""
    sizes = [max(1, torch.Size(shape).numel()) for shape in shapes]
    return [
        [part.reshape(m, *shape) for part, shape in zip(jac.split(sizes, dim=1), shapes, strict=True)]
        for jac in random_jacs(steps, m, sum(sizes))
    ]


def follow(optimizer: torch.optim.Optimizer, steps: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    """Where all parameters are after these steps."""
    params = [p for group in optimizer.param_groups for p in group["params"]]
    for jacs in steps:
        for p, jac in zip(params, jacs, strict=True):
            p.jac = jac.to(p)
            p.grad = jac.sum(dim=0).to(p)
        optimizer.step()
    return [p.detach().clone() for p in params]


# Special cases --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("combine", ["sum", "mean", [0.2, 3.0, -1.0, 1.0]])
def test_identity_as_basis_is_auto_adamw(combine: Any) -> None:
    options: dict[str, Any] = {"lr": 0.1, "betas": (0.9, 0.95), "weight_decay": 0.1, "combine": combine}
    soap = follow(AutoSOAP(weights(), max_precondition_dim=0, precondition_frequency=2, **options), gradients(20))
    assert_close(soap, follow(AutoAdamW(weights(), **options), gradients(20)), rtol=0.0, atol=0.0)


def test_the_first_step_is_auto_adamws() -> None:
    options: dict[str, Any] = {"lr": 0.1, "weight_decay": 0.1}
    first, second = gradients(2)
    soap, adam = AutoSOAP(weights(), **options), AutoAdamW(weights(), betas=(0.95, 0.95), **options)
    assert_close(follow(soap, [first]), follow(adam, [first]), rtol=0.0, atol=0.0)
    found, others = follow(soap, [second]), follow(adam, [second])
    assert all((a - b).abs().max() > 1e-3 for a, b in zip(found[:4], others[:4], strict=True))
    assert_close(found[4], others[4], rtol=0.0, atol=0.0)  # a number has no other basis


def test_a_long_side_keeps_the_identity() -> None:
    optimizer = AutoSOAP(weights(), max_precondition_dim=3)
    follow(optimizer, gradients(3))
    sizes = [(len(state["QL"]), len(state["QR"])) for state in optimizer.state.values()]
    assert sizes == [(0, 3), (0, 0), (0, 3), (0, 3), (0, 0), (3, 0)]


@pytest.mark.parametrize("start", [1, 2, 10])
def test_one_term_is_soap_from_any_state_on(start: int) -> None:
    """Gradients of norm one, since ours enter the averages with that norm; SOAP counts its first, idle step."""
    steps = gradients(start + 30, SHAPES[:2], 1)
    steps = [[jac / torch.stack([part.square().sum() for part in jacs]).sum().sqrt() for jac in jacs] for jacs in steps]
    options: dict[str, Any] = {"lr": 0.1, "betas": (0.9, 0.95), "eps": 1e-14, "precondition_frequency": 5}
    ours = AutoSOAP(weights(SHAPES[:2]), **options)
    follow(ours, steps[:start])
    copies = [p.detach().clone().requires_grad_() for p in ours.state]
    theirs = SOAP(copies, weight_decay=0.0, precondition_1d=True, **options)
    theirs.param_groups[0]["step"] = start + 1
    for p, state in zip(copies, copy.deepcopy(list(ours.state.values())), strict=True):
        sides = "LR" if p.dim() == 2 else "L"
        mean = state["QL"] @ state["exp_avg"][0]
        theirs.state[p] = {
            "exp_avg": mean @ state["QR"].T if p.dim() == 2 else mean,
            "exp_avg_sq": state["exp_avg_sq"][0],
            "GG": [state[side] for side in sides],
            "Q": [state[f"Q{side}"] for side in sides],
            "precondition_frequency": 5,
            "shampoo_beta": 0.95,
        }
    assert_close(
        follow(theirs, steps[start:]), follow(ours, steps[start:]), rtol=0.0, atol=2e-5
    )  # its QR is in float32


@pytest.mark.parametrize("frequency", [1, 3, 10])
def test_equals_the_reference(frequency: int) -> None:
    values: dict[str, Any] = {"lr": 0.1, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.02}
    values["precondition_frequency"] = frequency
    optimizer, slow = AutoSOAP(weights(), **values), weights()
    states = [SoapState.zero(as_matrices(jac)) for jac in gradients(1)[0]]
    for step, jacs in enumerate(gradients(30), start=1):
        norms = torch.cat([as_matrices(jac).flatten(1) for jac in jacs], dim=1).norm(dim=1)
        for p, jac, state in zip(slow, jacs, states, strict=True):
            matrix = p.detach().view(matrix_shape(p.shape))
            auto_soap_reference_(matrix, as_matrices(jac), state, norms, step=step, **values)
        assert_close(follow(optimizer, [jacs]), [p.detach() for p in slow], rtol=0.0, atol=1e-9)
    for found, state in zip(optimizer.state.values(), states, strict=True):
        assert_close(as_matrices(found["exp_avg_sq"]), state.exp_avg_sq, rtol=1e-8, atol=1e-8)
        assert found["step"].item() == 30.0
        for name, gram in (("L", state.left), ("R", state.right)):
            if len(found[name]):
                assert_close(found[name], gram)


def test_shampoo_beta_is_that_of_the_averages() -> None:
    first, second = gradients(2, SHAPES[:1], 1)
    optimizer = AutoSOAP(weights(SHAPES[:1]), shampoo_beta=0.25)
    follow(optimizer, [first, second])
    (state,) = optimizer.state.values()
    units = [jacs[0][0] / jacs[0].norm() for jacs in (first, second)]
    assert_close(state["L"], 0.25 * units[0] @ units[0].T + 0.75 * units[1] @ units[1].T)
    assert_close(state["R"], 0.25 * units[0].T @ units[0] + 0.75 * units[1].T @ units[1])


# Invariants -----------------------------------------------------------------------------------------------------------


def test_rescaling_a_term_changes_nothing() -> None:
    scale = torch.tensor([1e3, 1.0, 1e-1, 1.0], dtype=torch.float64)
    plain = gradients(30)
    scaled = [[jac * scale.view(-1, *[1] * (jac.dim() - 1)) for jac in jacs] for jacs in plain]
    once, again = (follow(AutoSOAP(weights(), lr=0.1, eps=1e-30), steps) for steps in (plain, scaled))
    assert_close(once, again, rtol=0.0, atol=1e-9)


def test_rescaling_a_loss_changes_nothing_where_gradients_have_a_low_rank() -> None:
    """Two terms reach a bias of 5: the rest of its first basis hangs on rounding errors, which a power of 2 has not."""
    results = []
    for scale in (1.0, 1024.0):
        u = net()
        optimizer = AutoSOAP(u.parameters(), lr=1e-2, eps=1e-30)
        for _ in range(25):
            optimizer.zero_grad()
            x = torch.linspace(-1, 1, 14, dtype=torch.float64).view(7, 2)
            backward({"a": scale * u(x).square().mean(), "b": (u(x) - x.prod(dim=1)).square().mean()}, u.parameters())
            optimizer.step()
        results.append([p.detach() for p in u.parameters()])
    assert_close(*results, rtol=0.0, atol=0.0)


@pytest.mark.parametrize("combine", ["sum", "mean"])
def test_order_of_terms_changes_nothing(combine: Any) -> None:
    plain = gradients(30)
    mixed = [[jac[[2, 0, 3, 1]] for jac in jacs] for jacs in plain]
    once, again = (follow(AutoSOAP(weights(), lr=0.1, combine=combine), steps) for steps in (plain, mixed))
    assert_close(once, again, rtol=0.0, atol=1e-9)


def test_a_term_without_gradient_adds_nothing() -> None:
    square, silent = ((4, 4),), torch.zeros(1, 4, 4, dtype=torch.float64)
    steps = gradients(30, square, 1)
    optimizer = AutoSOAP(weights(square), lr=0.1, precondition_frequency=3)
    found = follow(optimizer, [[torch.cat([jacs[0], silent])] for jacs in steps])
    alone = follow(AutoSOAP(weights(square), lr=0.1, precondition_frequency=3), steps)
    assert_close(found, alone, rtol=0.0, atol=1e-9)
    (state,) = optimizer.state.values()
    assert state["exp_avg"][1].abs().max() == state["exp_avg_sq"][1].abs().max() == 0.0


def test_a_parameter_that_a_term_does_not_reach_is_moved_by_the_others() -> None:
    """The other parameter's size in that term plays no part in it."""
    steps = gradients(25, ((4, 4), (4, 4)), 2)
    for jacs in steps:
        jacs[1][0] = 0.0
    optimizer = AutoSOAP(weights(((4, 4), (4, 4))), lr=0.1, precondition_frequency=3)
    seen: list[Tensor] = []
    optimizer.register_update_hook(lambda _params, deltas: seen.append(deltas[1][0].abs().max()))
    follow(optimizer, steps)
    _, state = optimizer.state.values()
    assert max(seen) == state["exp_avg"][0].abs().max() == state["exp_avg_sq"][0].abs().max() == 0.0
    assert state["exp_avg"][1].abs().min() > 0.0


def test_no_gradient_at_all_moves_nothing() -> None:
    optimizer = AutoSOAP(weights(), precondition_frequency=2)
    zero = [[torch.zeros_like(jac) for jac in jacs] for jacs in gradients(5)]
    assert_close(follow(optimizer, zero), [p.detach() for p in weights()], rtol=0.0, atol=0.0)
    assert_close(follow(optimizer, gradients(3))[4], torch.ones(()).double(), rtol=0.0, atol=0.1)  # and then it does


def test_updates_of_the_hooks_lie_in_the_parameters_coordinates() -> None:
    optimizer = AutoSOAP(weights(), lr=0.1, combine=[1.0, 2.0, 0.5, 1.0])
    before = follow(optimizer, gradients(3))
    seen: list[Tensor] = []
    optimizer.register_update_hook(lambda _params, deltas: seen.extend(delta.clone() for delta in deltas))
    after = follow(optimizer, gradients(4)[3:])
    for old, new, delta in zip(before, after, seen, strict=True):
        assert_close(new - old, torch.einsum("i,i...->...", torch.tensor([1.0, 2.0, 0.5, 1.0]).double(), delta))


def test_bases_stay_orthonormal_and_change_only_when_due() -> None:
    optimizer = AutoSOAP(weights(), precondition_frequency=4)
    changed, before = [], None
    for jacs in gradients(13):
        follow(optimizer, [jacs])
        state = optimizer.state[optimizer.param_groups[0]["params"][0]]
        assert_close(state["QL"].T @ state["QL"], torch.eye(4).double())
        changed.append(before is not None and not torch.equal(before, state["QL"]))
        before = state["QL"].clone()
    assert [k for k, change in enumerate(changed, start=1) if change] == [4, 8, 12]


# Lifecycle ------------------------------------------------------------------------------------------------------------


def test_names_and_shapes_of_the_state() -> None:
    optimizer = AutoSOAP(weights(((3, 2), (5,))))
    follow(optimizer, gradients(1, ((3, 2), (5,))))
    matrix, vector = ({name: tuple(value.shape) for name, value in s.items()} for s in optimizer.state.values())
    moments = {"step": (), "exp_avg": (4, 3, 2), "exp_avg_sq": (4, 3, 2)}
    assert matrix == {**moments, "L": (3, 3), "R": (2, 2), "QL": (3, 3), "QR": (2, 2)}
    moments = {"step": (), "exp_avg": (4, 5), "exp_avg_sq": (4, 5)}
    assert vector == {**moments, "L": (5, 5), "R": (0, 0), "QL": (5, 5), "QR": (0, 0)}


@pytest.mark.parametrize("done", [1, 6, 8])
def test_resume_between_two_refreshes_is_exact(done: int) -> None:
    optimizer = AutoSOAP(weights(), precondition_frequency=4)
    before = follow(optimizer, gradients(done))
    file = io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    file.seek(0)
    fresh = AutoSOAP([p.clone().requires_grad_() for p in before])
    fresh.load_state_dict(torch.load(file, weights_only=True))
    rest = gradients(done + 15)[done:]
    assert_close(follow(fresh, rest), follow(optimizer, rest), rtol=0.0, atol=0.0)


def test_a_copy_refreshes_by_itself() -> None:
    u = net()
    optimizer = AutoSOAP(u.parameters(), precondition_frequency=3)
    train(u, optimizer, 4)
    optimizer.zero_grad()
    for v, other in (copy.deepcopy((u, optimizer)), pickle.loads(pickle.dumps((u, optimizer)))):
        found = train(v, other, 6, start=4)
        assert {state["step"].item() for state in other.state.values()} == {10.0}
        again, twin = copy.deepcopy((u, optimizer))
        assert_close(found, train(again, twin, 6, start=4), rtol=0.0, atol=0.0)


def test_groups_have_their_own_options() -> None:
    shapes = ((4, 4), (4, 4))
    first, second = weights(shapes)
    both = AutoSOAP([{"params": [first]}, {"params": [second], "lr": 0.5, "precondition_frequency": 2}], lr=0.1)
    found = follow(both, gradients(9, shapes))
    for i, options in enumerate(({"lr": 0.1}, {"lr": 0.5, "precondition_frequency": 2})):
        alone = follow(AutoSOAP(weights(shapes[:1]), **options), [[jacs[i]] for jacs in gradients(9, shapes)])
        assert_close(found[i], alone[0], rtol=0.0, atol=0.0)


def test_parameters_of_different_ages_keep_their_own_refreshes() -> None:
    shapes = ((4, 4), (4, 4))
    old, young = weights(shapes)
    optimizer = AutoSOAP([old], precondition_frequency=4)
    steps = gradients(9, shapes)
    follow(optimizer, [jacs[:1] for jacs in steps[:3]])
    optimizer.add_param_group({"params": [young]})
    follow(optimizer, steps[3:])
    assert [state["step"].item() for state in optimizer.state.values()] == [9.0, 6.0]
    alone = follow(AutoSOAP(weights(shapes[:1]), precondition_frequency=4), [jacs[1:] for jacs in steps[3:]])
    assert_close(young.detach(), alone[0], rtol=0.0, atol=0.0)


def test_a_parameter_that_joins_late_starts_its_averages_anew() -> None:
    old, young = weights(((4, 4), (4, 4)))
    optimizer = AutoSOAP([old, young], precondition_frequency=4)
    first, second = gradients(2, ((4, 4), (4, 4)))
    old.jac = first[0]  # type: ignore[attr-defined]
    optimizer.step()
    follow(optimizer, [second])
    units = second[1] / torch.stack(second).square().sum(dim=(0, 2, 3)).sqrt().view(-1, 1, 1)
    state = optimizer.state[young]
    assert_close(state["L"], (units @ units.mT).sum(dim=0))
    assert_close(state["R"], (units.mT @ units).sum(dim=0))
    assert not torch.equal(state["QL"], torch.eye(4).double())


def test_autocast_changes_nothing() -> None:
    options: dict[str, Any] = {"lr": 0.1, "precondition_frequency": 3}
    expected = follow(AutoSOAP(weights(dtype=torch.float32), **options), gradients(10))
    with torch.autocast("cpu", torch.bfloat16):
        found = follow(AutoSOAP(weights(dtype=torch.float32), **options), gradients(10))
    assert_close(found, expected, rtol=0.0, atol=0.0)


def test_weights_may_change_type_between_steps() -> None:
    u = nn.Linear(2, 3)
    optimizer = AutoSOAP(u.parameters(), lr=0.1, precondition_frequency=2)
    for dtype in (torch.float32, torch.float64, torch.float32):
        u.to(dtype)
        optimizer.zero_grad()
        x = torch.ones(1, 2, dtype=dtype)
        backward({"a": u(x).square().sum(), "b": (u(x) - 1).square().sum()}, u.parameters())
        optimizer.step()
    kinds = {(name, value.dtype) for state in optimizer.state.values() for name, value in state.items()}
    assert {dtype for _, dtype in kinds} == {torch.float32}
    u.half()
    for p in u.parameters():
        p.jac = torch.ones(2, *p.shape, dtype=torch.float16)  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match=r"must be of type float32 or float64 for AutoSOAP, got torch\.float16"):
        optimizer.step()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_refused(dtype: torch.dtype) -> None:
    with pytest.raises(TypeError, match=rf"`params` must be of type float32 or float64 for AutoSOAP, got {dtype}: its"):
        AutoSOAP([parameter(1.0, dtype=dtype)])


def test_float32_follows_float64() -> None:
    found = follow(AutoSOAP(weights(dtype=torch.float32), lr=0.1), gradients(15))
    expected = follow(AutoSOAP(weights(), lr=0.1), gradients(15))
    assert_close(found, [p.float() for p in expected], rtol=0.0, atol=5e-3)


def test_tensor_lr_follows_a_schedule() -> None:
    lr = torch.tensor(0.1, dtype=torch.float64)
    optimizer, number = AutoSOAP([parameter(1.0, -1.0)], lr=lr), AutoSOAP([parameter(1.0, -1.0)], lr=0.1)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    for k, jac in enumerate(STEPS):
        number.param_groups[0]["lr"] = 0.1 * 0.5**k
        assert_close(path(optimizer, [jac]), path(number, [jac]), rtol=0.0, atol=1e-12)
        schedule.step()
    assert isinstance(optimizer.param_groups[0]["lr"], Tensor)


@pytest.mark.parametrize(
    ("shape", "options", "name", "found"),
    [
        ((4, 3), {}, "exp_avg", r"\(4, 2, 3\), got \(4, 4, 3\)"),
        ((2, 3), {"max_precondition_dim": 2}, "R", r"\(0, 0\), got \(3, 3\)"),
        ((2, 3), {"max_precondition_dim": 1}, "L", r"\(0, 0\), got \(2, 2\)"),
    ],
)
def test_states_of_other_shapes_are_refused(
    shape: tuple[int, int], options: dict[str, Any], name: str, found: str
) -> None:
    trained, fresh = AutoSOAP(weights((shape,))), AutoSOAP(weights(((2, 3),)))
    follow(trained, gradients(2, (shape,)))
    saved = trained.state_dict()
    saved["param_groups"][0].update(options)
    with pytest.raises(ValueError, match=rf"`{name}` of parameter 0 in .* must have the shape {found}"):
        fresh.load_state_dict(saved)
    assert not fresh.state


def test_states_that_lack_a_basis_or_are_not_finite_are_refused() -> None:
    optimizer, fresh = AutoSOAP(weights()), AutoSOAP(weights())
    follow(optimizer, gradients(2))
    saved = copy.deepcopy(optimizer.state_dict())
    saved["state"][0]["QL"][0, 0] = torch.nan
    with pytest.raises(ValueError, match="`QL` of parameter 0 in the optimizer's state must be finite"):
        fresh.load_state_dict(saved)
    adam = AutoAdamW(weights())
    follow(adam, gradients(2))
    with pytest.raises(ValueError, match=r"must come from AutoSOAP, with the states \['L', 'QL', 'QR', 'R', 'exp_avg'"):
        fresh.load_state_dict(adam.state_dict())


def test_the_dimension_with_which_it_was_trained_holds_after_a_resume() -> None:
    optimizer, fresh = AutoSOAP(weights(), max_precondition_dim=3), AutoSOAP(weights())
    before = follow(optimizer, gradients(2))
    fresh = AutoSOAP([p.clone().requires_grad_() for p in before])
    fresh.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    rest = gradients(12)[2:]
    assert_close(follow(fresh, rest), follow(optimizer, rest), rtol=0.0, atol=0.0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"eps": 0.0}, "`eps` must be finite and > 0, got 0.0"),
        ({"betas": (1.0, 0.95)}, r"`betas\[0\]` must be in \[0, 1\), got 1.0"),
        ({"betas": (0.95, -0.1)}, r"`betas\[1\]` must be in \[0, 1\), got -0.1"),
        ({"shampoo_beta": 1.0}, r"`shampoo_beta` must be in \[0, 1\), got 1.0"),
        ({"precondition_frequency": 0}, "`precondition_frequency` must be >= 1, got 0"),
        ({"max_precondition_dim": -1}, "`max_precondition_dim` must be >= 0, got -1"),
    ],
)
def test_bad_values_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AutoSOAP([parameter(1.0)], **values)


# GPU ------------------------------------------------------------------------------------------------------------------

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@gpu
@pytest.mark.parametrize("tensor", [False, True])
def test_gpu_equals_cpu(tensor: bool) -> None:
    options: dict[str, Any] = {"lr": torch.tensor(0.1) if tensor else 0.1, "precondition_frequency": 3}
    found = follow(AutoSOAP(weights(device="cuda"), **options), gradients(10))
    assert_close([p.cpu() for p in found], follow(AutoSOAP(weights(), **options), gradients(10)), rtol=0.0, atol=1e-8)


@gpu
def test_steps_between_two_refreshes_do_not_wait_for_the_gpu() -> None:
    params = weights(device="cuda")
    optimizer = AutoSOAP(params)
    follow(optimizer, gradients(2))
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(3):
            optimizer.step()
    finally:
        torch.cuda.set_sync_debug_mode("default")
