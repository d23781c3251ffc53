"""What is refused before a run with a finisher starts, and what is only said."""

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn
from torch.optim import Adam

from helpers.toys import Decay, fit
from lightning_autobalance.balancing import DWA
from lightning_autobalance.nets import MLP
from lightning_autobalance.optim.finish import LBFGS, LevenbergMarquardt, SelfScaledBroyden
from lightning_autobalance.variants import RoPINN, Stack


class OwnLosses(Decay):
    def losses(self, points: Any) -> dict[str, Tensor]:
        return {term: r.square().mean() for term, r in self.residuals(points).items()}


class Noisy(Decay):
    def residuals(self, points: Any) -> dict[str, Tensor]:
        return {term: r + 1e-3 * torch.randn_like(r) for term, r in super().residuals(points).items()}


class Single(Decay):
    """Has a constant in the type of the run."""

    def residuals(self, points: Any) -> dict[str, Tensor]:
        return {term: torch.eye(len(r)) @ r for term, r in super().residuals(points).items()}


class OwnNoisyLosses(OwnLosses):
    def losses(self, points: Any) -> dict[str, Tensor]:
        return {term: loss + 1e-3 * torch.rand(()) for term, loss in super().losses(points).items()}


LM = LevenbergMarquardt(3)


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (
            lambda: Decay(finish=LevenbergMarquardt(11)),
            {},
            r"`steps` of LevenbergMarquardt must be at most .*10.*got 11",
        ),
        (lambda: Decay(finish=LM), {"max_steps": -1, "max_epochs": 2}, "`max_steps` of the Trainer must be given"),
        (lambda: Decay(finish=LM), {"precision": "bf16-mixed"}, "`precision` must be 32-true or 64-true with `finish`"),
        (lambda: OwnLosses(finish=LM), {}, "`finish` must not be LevenbergMarquardt where a module gives only losses"),
        (lambda: Decay(finish=LM, variant=RoPINN()), {}, "`variant` must leave the losses alone .*got RoPINN"),
        (lambda: Decay(finish=LM, variant=Stack([RoPINN()])), {}, "`variant` must leave the losses alone .*got Stack"),
        (lambda: Noisy(finish=LM, check_exact=False), {}, r"the same in every evaluation .* got others of \['pde'"),
        (lambda: OwnNoisyLosses(finish=LBFGS(3)), {}, r"the same in every evaluation .* got others of \['pde'"),
        (
            lambda: Single(finish=LM, check_exact=False),
            {},
            "must work in float64 with `finish`.*same dtype.*Give tensors",
        ),
        (
            lambda: Decay(
                net=nn.Sequential(nn.Linear(1, 4), nn.Tanh(), nn.Dropout(0.5), nn.Linear(4, 1)),
                finish=LM,
                derivatives="reverse",
            ),
            {},
            "Take dropout and random numbers out of network and residuals",
        ),
        (
            lambda: Decay(net=MLP(1, 1, [200, 200]), finish=SelfScaledBroyden(3, memory=1e6)),
            {},
            "`memory` of SelfScaledBroyden must hold the inverse Hessian of 40,801 parameters",
        ),
        (lambda: Decay(stop_at_noise={"dta": 0.1}), {}, "`stop_at_noise`.*'dta'"),
    ],
)
@pytest.mark.filterwarnings("ignore:precision bf16-mixed")
def test_refused(make: Any, options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(MisconfigurationException, match=message):
        fit(make(), tmp_path, **{"max_steps": 10, **options})


def test_losses_alone_are_enough_for_the_others(tmp_path: Path) -> None:
    for finisher in (LBFGS(2), SelfScaledBroyden(2)):
        assert fit(OwnLosses(finish=finisher), tmp_path, max_steps=4).global_step == 4


def test_a_type_of_the_runs_is_enough(tmp_path: Path) -> None:
    single = Single(finish=LevenbergMarquardt(3, dtype="float32"), check_exact=False)
    assert fit(single, tmp_path, max_steps=6).global_step == 6


def test_a_balancer_works_on_the_steps_before(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="`balancer` DWA works on the steps before `finish`"):
        fit(Decay(finish=LM, balancer=DWA(), optimizer=Adam), tmp_path, max_steps=6)


def test_a_noise_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="`stop_at_noise of pde` must be finite and > 0"):
        Decay(stop_at_noise={"pde": 0.0})
