"""Mistakes are found before the first step, by name."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer
from lightning.pytorch.strategies import DeepSpeedStrategy, FSDPStrategy, ModelParallelStrategy
from torch import Tensor

from helpers.toys import Decay, Poisson2D, fit, points, trainer
from lightning_autobalance.checks import check_exact, check_trainer
from lightning_autobalance.checks.optimizer import check_optimizer_argument
from lightning_autobalance.data import CollocationPoints
from lightning_autobalance.module import PINNModule
from lightning_autobalance.nets import MLP
from lightning_autobalance.optim import AutoAdamW
from lightning_autobalance.points import Interval, Sobol


def refuses(module: PINNModule, tmp_path: Path, message: str, **options: Any) -> None:
    before = [p.clone() for p in module.parameters()]
    with pytest.raises(MisconfigurationException, match=message):
        fit(module, tmp_path, points(Decay()), max_steps=1, **options)
    assert all(torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True))


def with_residuals(function: Any, **options: Any) -> PINNModule:
    class Toy(Decay):
        def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
            return function(self, points, super().residuals(points))

    return Toy(**options)


def test_network_with_the_wrong_input_size(tmp_path: Path) -> None:
    refuses(Decay(net=MLP(2, 1, [4])), tmp_path, r"`net` must take 1 inputs, the coordinates \(x\) of the domain")


def test_network_with_the_wrong_output_size(tmp_path: Path) -> None:
    refuses(Decay(net=MLP(1, 3, [4])), tmp_path, r"`net` must give 1 field\(s\).*got shape \(64, 3\)")


def test_residual_of_a_wrong_shape(tmp_path: Path) -> None:
    module = with_residuals(lambda self, p, r: {**r, "pde": r["pde"].sum()})
    refuses(module, tmp_path, r"one row per point.*got shape \(\) for 'pde'")


def test_residual_that_is_no_tensor(tmp_path: Path) -> None:
    refuses(with_residuals(lambda self, p, r: {"pde": 1.0}), tmp_path, r"got 1.0 for 'pde'")


def test_no_mapping(tmp_path: Path) -> None:
    refuses(with_residuals(lambda self, p, r: r["pde"]), tmp_path, "must return a non-empty mapping")
    refuses(with_residuals(lambda self, p, r: {}), tmp_path, "must return a non-empty mapping")


def test_residual_with_nan(tmp_path: Path) -> None:
    module = with_residuals(lambda self, p, r: {**r, "pde": r["pde"] + (p["interior"] - 2).sqrt()})
    refuses(module, tmp_path, r"must be finite, got 64 NaN or infinite values among 64 for 'pde'")


def test_points_that_are_not_drawn(tmp_path: Path) -> None:
    module = with_residuals(lambda self, p, r: {"initial": self(p["initial"])})
    refuses(module, tmp_path, r"asks for points 'initial', but `data.points` has only \['interior', 'boundary'\]")


def test_key_errors_of_the_user_stay_key_errors(tmp_path: Path) -> None:
    module = with_residuals(lambda self, p, r: {}["interior"])
    with pytest.raises(KeyError, match="interior"):
        fit(module, tmp_path, points(Decay()), max_steps=1)


def test_weights_of_an_unknown_term(tmp_path: Path) -> None:
    refuses(
        Decay(weights={"boundry": 2.0}), tmp_path, r"\['pde', 'boundary'\], got 'boundry'. Did you mean 'boundary'\?"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gradient_clip_val": 1.0}, r"`gradient_clip_val` must not be given to the Trainer, got 1.0"),
        ({"accumulate_grad_batches": 2}, r"`accumulate_grad_batches` must be 1, got 2"),
        ({"precision": "bf16-true"}, r"`precision` must be 32-true, 64-true or bf16-mixed, got bf16-true"),
        ({"precision": "16-true"}, r"`precision` must be 32-true, 64-true or bf16-mixed, got 16-true"),
    ],
)
def test_trainer_settings(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    refuses(Decay(), tmp_path, message, **options)


@pytest.mark.parametrize("kind", [FSDPStrategy, ModelParallelStrategy, DeepSpeedStrategy])
def test_strategies_that_spread_parameters(kind: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = trainer(tmp_path)
    monkeypatch.setattr(Trainer, "strategy", property(lambda _: object.__new__(kind)))  # they need what is not here
    message = rf"`strategy` must be a single device or ddp, got {kind.__name__}.*`--trainer.strategy ddp`"
    with pytest.raises(MisconfigurationException, match=message):
        check_trainer(asked)


@pytest.mark.parametrize("strategy", ["ddp", "ddp_spawn", "ddp_find_unused_parameters_true"])
def test_several_processes(strategy: str, tmp_path: Path) -> None:
    check_trainer(trainer(tmp_path, strategy=strategy, devices=2))


def test_float16_loss_scaling(tmp_path: Path) -> None:
    from lightning.pytorch.plugins import MixedPrecision

    plugin = MixedPrecision("16-mixed", "cpu", torch.amp.GradScaler("cpu"))
    refuses(Decay(), tmp_path, r"`precision` must be .*, got 16-mixed: its loss scaling", plugins=[plugin])


def test_exact_solution_that_does_not_solve(tmp_path: Path) -> None:
    class Wrong(Decay):
        def exact(self, x: Tensor) -> Tensor:
            return torch.exp(-2 * x)

    refuses(Wrong(), tmp_path, r"The residual of `pde` must vanish on the exact solution of Wrong, got")
    fit(Wrong(check_exact=False), tmp_path, points(Decay()), max_steps=1)


def test_residuals_that_pass_the_network_by(tmp_path: Path) -> None:
    module = with_residuals(lambda self, p, r: {"pde": self.net(p["interior"])})
    refuses(module, tmp_path, r"must ask for the solution through `self\(x\)` and `self.partials`")


def test_check_exact_gives_the_sizes_and_leaves_the_module_as_it_was() -> None:
    module = Poisson2D()
    x = torch.rand(5, 2)
    before = module(x)
    assert set(check_exact(module)) == {"pde", "boundary"}
    assert torch.equal(module(x), before)
    assert module.dtype == torch.float32


def test_unknown_part(tmp_path: Path) -> None:
    with pytest.raises(MisconfigurationException, match=r"`data.points` must fit the domain .*bondary"):
        fit(Decay(), tmp_path, CollocationPoints({"bondary": 2}), max_steps=1)


def test_checkpoint_of_another_problem_and_other_terms(tmp_path: Path) -> None:
    trainer = fit(Decay(), tmp_path, max_steps=1)
    trainer.save_checkpoint(tmp_path / "decay.ckpt")

    class Other(Decay):
        pass

    with pytest.raises(MisconfigurationException, match=r"must come from `.*Other`, got one of `Decay`"):
        fit(Other(), tmp_path, points(Decay()), max_steps=2, ckpt_path=tmp_path / "decay.ckpt")

    one = with_residuals(lambda self, p, r: {"pde": r["pde"]})
    type(one).__qualname__ = "Decay"
    with pytest.raises(MisconfigurationException, match=r"loss terms \['pde'\], got \['pde', 'boundary'\]"):
        fit(one, tmp_path, points(Decay()), max_steps=2, ckpt_path=tmp_path / "decay.ckpt")
    with pytest.raises(MisconfigurationException, match="A checkpoint is loaded with the class it was trained with"):
        PINNModule.load_from_checkpoint(tmp_path / "decay.ckpt")


def test_checkpoint_of_something_else(tmp_path: Path) -> None:
    from lightning.pytorch.demos.boring_classes import BoringModel

    other = trainer(tmp_path, max_steps=1, limit_val_batches=0)
    with pytest.warns():
        other.fit(BoringModel())
    other.save_checkpoint(tmp_path / "boring.ckpt")
    with pytest.raises(MisconfigurationException, match="must come from a `PINNModule`"):
        fit(Decay(), tmp_path, max_steps=2, ckpt_path=tmp_path / "boring.ckpt")


# Slips that would train ----------------------------------------------------------------------------------------------


def test_a_residual_that_broadcasts(tmp_path: Path) -> None:
    module = with_residuals(lambda self, p, r: {**r, "pde": r["pde"] + p["interior"][:, 0]})
    refuses(module, tmp_path, r"got shape \(64, 64\) for 'pde': a \(b,\) and a \(b, 1\) were combined")


def test_points_of_different_parts_are_not_mixed_up(tmp_path: Path) -> None:
    class Mixed(Decay):
        def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
            return {"pde": self(points["interior"]) - self(points["boundary"])}

    with pytest.raises(RuntimeError, match="must match the size"):
        fit(Mixed(check_exact=False), tmp_path, points(Decay()), max_steps=1)


def test_a_term_without_the_network(tmp_path: Path) -> None:
    module = with_residuals(lambda self, p, r: {**r, "pde": torch.zeros(64)})
    refuses(module, tmp_path, "The residual of `pde` of Toy must depend on the network")


def test_an_exact_solution_of_the_wrong_shape(tmp_path: Path) -> None:
    class Flat(Decay):
        def exact(self, x: Tensor) -> Tensor:
            return super().exact(x)[:, 0]

    refuses(Flat(), tmp_path, r"`exact` of Flat must give 1 field\(s\) \('u',\), shape \(64, 1\) for 64 points, got")


class Unknown(Decay):
    """u' = -k u with k unknown."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.k = torch.nn.Parameter(torch.tensor(0.2))

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        u, u_x = self.partials(points["interior"], "", "x")
        return {"pde": u_x + self.k * u, "boundary": super().residuals(points)["boundary"]}


def test_unknown_parameters_are_named(tmp_path: Path) -> None:
    refuses(Unknown(), tmp_path, r"the parameters \['k'\] are not at their true values \(name those in `true_param")


def test_unknown_parameters_are_checked_at_their_true_values(tmp_path: Path) -> None:
    class Known(Unknown):
        true_parameters: ClassVar[dict[str, float]] = {"k": 1.0}

    module = Known()
    assert check_exact(module)["pde"] < 1e-12
    assert (module.k.item(), module.k.dtype) == (pytest.approx(0.2), torch.float32)
    fit(module, tmp_path, points(Decay()), max_steps=2)


def test_a_second_network_is_checked_in_float64_too(tmp_path: Path) -> None:
    class Two(Decay):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.second = MLP(1, 1, [4])

        def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
            found = super().residuals(points)
            return {**found, "pde": found["pde"] * (1 + self.second(points["interior"]).square())}

    module = Two()
    before = [p.clone() for p in module.parameters()]
    assert check_exact(module)["pde"] < 1e-10
    assert all(torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True))


@pytest.mark.parametrize(
    ("attribute", "value", "error", "message"),
    [
        ("reported", ("v",), ValueError, r"`reported` must name fields of Toy, \('u',\), got 'v'"),
        ("domain", Interval, TypeError, r"`domain` must be a domain, such as `Interval\(0, 1\)`, got <class"),
    ],
)
def test_declarations(attribute: str, value: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        type("Toy", (Decay,), {attribute: value})()


def test_measured_terms_must_exist(tmp_path: Path) -> None:
    refuses(type("Toy", (Decay,), {"measured": ("dat",)})(), tmp_path, "`measured` must name loss terms of Toy")


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        ("AutoAdamW", "must make an optimizer from parameters, got the name 'AutoAdamW'"),
        (AutoAdamW([torch.zeros(1, requires_grad=True)]), "got a AutoAdamW object. Give the class"),
    ],
)
def test_an_optimizer_that_cannot_be_made(optimizer: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        check_optimizer_argument(optimizer)


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        (partial(AutoAdamW, lr=-1.0), "`lr` must be finite and >= 0, got -1.0"),
        (partial(AutoAdamW, lr=float("inf")), "`lr` must be finite and >= 0, got inf"),
        (partial(AutoAdamW, eps=0.0), "`eps` must be > 0, got 0"),
        (
            partial(AutoAdamW, combine=[1.0]),
            r"`combine` must hold one weight per loss term, 2 for \['pde', 'boundary'\]",
        ),
    ],
)
def test_values_of_the_optimizer(optimizer: Any, message: str, tmp_path: Path) -> None:
    refuses(Decay(optimizer=optimizer), tmp_path, message)


def test_faces_without_points(tmp_path: Path) -> None:
    with pytest.raises(MisconfigurationException, match="`points` of 'boundary' must be >= 2, one for each of its fac"):
        fit(Decay(), tmp_path, CollocationPoints({"interior": 5, "boundary": 1}, seed=0), max_steps=1)


def test_another_sampler_on_resume(tmp_path: Path) -> None:
    fit(Decay(), tmp_path, max_steps=2).save_checkpoint(tmp_path / "uniform.ckpt")
    data = points(Decay(), sampler=Sobol())
    with pytest.raises(MisconfigurationException, match="`sampler` must be as in the checkpoint, Uniform, got Sobol"):
        fit(Decay(), tmp_path, data, max_steps=4, ckpt_path=tmp_path / "uniform.ckpt")


def test_a_tuple_that_was_not_unpacked_gets_a_hint(tmp_path: Path) -> None:
    class Comma(Decay):
        def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
            u_x = self.partials(points["interior"], "x")
            return {"pde": u_x + 1.0}  # type: ignore[operator]

    with pytest.raises(TypeError) as raised:
        fit(Comma(), tmp_path, points(Decay()), max_steps=1)
    assert "unpack one derivative with a comma" in raised.value.__notes__[0]


def test_a_network_without_parameters(tmp_path: Path) -> None:
    refuses(Decay(net=torch.nn.Sequential()), tmp_path, "`net` of Decay must have parameters, got none")
