"""The exact solution against the residuals: relative sizes by hand, and what is wrong by name."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor

from helpers.checks import refuses, with_residuals
from helpers.toys import Decay, Poisson2D, fit, points
from lightning_autobalance.checks import check_exact
from lightning_autobalance.module import PINNModule
from lightning_autobalance.nets import MLP

ENDS = {"interior": torch.tensor([[0.0], [1.0]])}


def compared(factor: float, offset: float, cls: type[PINNModule] = Decay) -> PINNModule:
    """The residual is factor (u - exp(-x)) + offset."""

    class Toy(cls):  # type: ignore[valid-type, misc]
        def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
            x = points["interior"]
            return {"pde": factor * (self(x) - torch.exp(-x)) + offset}

    return Toy()


def test_sizes_are_relative_to_the_residual_of_zero() -> None:
    # on u = 0 the residual is 1e-3 - 1e3 exp(-x), largest at x = 0
    assert check_exact(compared(1e3, 1e-3), ENDS) == {"pde": pytest.approx(1e-3 / (1e3 - 1e-3), rel=1e-9)}


def test_a_small_residual_of_zero_does_not_enlarge_sizes() -> None:
    assert check_exact(compared(1e-3, 9e-6), ENDS) == {"pde": pytest.approx(9e-6, rel=1e-9)}
    with pytest.raises(MisconfigurationException, match=r"`pde` must vanish .* got 1.1e-05 \(.* zeros gives up to 1\)"):
        check_exact(compared(1e-3, 1.1e-5), ENDS)


def test_measured_terms_are_left_out() -> None:
    class Measured(Decay):
        measured = ("pde",)

    assert check_exact(compared(1.0, 0.5, Measured), ENDS) == {}


def test_the_check_can_be_left_out(tmp_path: Path) -> None:
    class Wrong(Decay):
        def exact(self, x: Tensor) -> Tensor:
            return torch.exp(-2 * x)

    refuses(Wrong(), tmp_path, r"The residual of `pde` must vanish on the exact solution of Wrong, got")
    assert fit(Wrong(check_exact=False), tmp_path, points(Decay()), max_steps=1).global_step == 1


def test_residuals_that_pass_the_network_by() -> None:
    message = r"must ask for the solution through `self\(x\)` and `self.partials`"
    unchanged = with_residuals(lambda self, p, r: {"pde": self.net(p["interior"])})
    with pytest.raises(MisconfigurationException, match=message + ", got one for `pde` that does not change"):
        check_exact(unchanged)
    fails = with_residuals(lambda self, p, r: {"pde": self.net(p["interior"].float())})  # the check is in float64
    with pytest.raises(MisconfigurationException, match=message + ".* it failed with: .*dtype"):
        check_exact(fails)


def test_training_refuses_residuals_that_pass_the_network_by(tmp_path: Path) -> None:
    module = with_residuals(lambda self, p, r: {"pde": self.net(p["interior"])})
    refuses(module, tmp_path, r"must ask for the solution through `self\(x\)` and `self.partials`")


def test_check_exact_gives_the_sizes_and_leaves_the_module_as_it_was() -> None:
    module = Poisson2D()
    x = torch.rand(5, 2)
    before = module(x)
    assert set(check_exact(module)) == {"pde", "boundary"}
    assert torch.equal(module(x), before)
    assert module.dtype == torch.float32


def test_a_failed_check_leaves_the_module_as_it_was() -> None:
    module = compared(1.0, 1.0)
    before = [p.clone() for p in module.parameters()]
    with pytest.raises(MisconfigurationException):
        check_exact(module, ENDS)
    assert all(torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True))
    assert module.dtype == torch.float32


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
    assert fit(module, tmp_path, points(Decay()), max_steps=2).global_step == 2


def test_a_second_network_is_checked_in_float64_too() -> None:
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


def interpolated(x: Tensor) -> Tensor:
    """exp(-x) from a table, which NumPy looks up: no derivatives."""
    grid = np.linspace(0.0, 1.0, 11)
    return torch.from_numpy(np.interp(x.numpy().ravel(), grid, np.exp(-grid)))[:, None].to(x)


def detached(x: Tensor) -> Tensor:
    return torch.exp(-x.detach())


@pytest.mark.parametrize(("solution", "reason"), [(interpolated, "numpy"), (detached, "does not require grad")])
def test_a_solution_without_derivatives_is_named_and_not_the_residuals(
    solution: Callable[[Tensor], Tensor], reason: str, tmp_path: Path
) -> None:
    class Tabulated(Decay):
        def exact(self, x: Tensor) -> Tensor:
            return solution(x)

    with pytest.raises(MisconfigurationException, match="`exact` of Tabulated must be made of operations") as error:
        fit(Tabulated(), tmp_path, max_steps=1)
    assert reason in str(error.value)
    assert "`residuals`" not in str(error.value)
    trainer = fit(Tabulated(check_exact=False), tmp_path, max_steps=1)
    assert trainer.callback_metrics["val/rel_l2"] > 0  # errors need no derivatives


def test_a_tolerance_of_ones_own(tmp_path: Path) -> None:
    off = compared(1.0, 1e-3)
    assert check_exact(off, ENDS, tolerance=1e-2) == {"pde": pytest.approx(1e-3, rel=1e-6)}
    with pytest.raises(MisconfigurationException, match=r"check_exact 1e-2` widens its tolerance"):
        check_exact(off, ENDS, tolerance=1e-4)

    class Off(Decay):
        def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
            found = super().residuals(points)
            return {**found, "pde": found["pde"] + 1e-3 * self(points["interior"])}

    assert fit(Off(check_exact=1e-2), tmp_path, max_steps=1).global_step == 1
    refuses(Off(check_exact=1e-4), tmp_path, "must vanish on the exact solution of Off")
