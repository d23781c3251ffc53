"""Training a `PINNModule`: what manual optimization drops and the module gives back."""

from collections.abc import Mapping
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import EarlyStopping, LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor

from helpers.toys import Decay, Poisson2D, fit, points
from lightning_autobalance.balancing import DBMTL, Aggregator, ConFIG, EqualWeights, GradNorm, MConFIG
from lightning_autobalance.data import CollocationPoints
from lightning_autobalance.jacobian import backward
from lightning_autobalance.module import PINNModule
from lightning_autobalance.nets import MLP
from lightning_autobalance.optim import AutoAdamW
from lightning_autobalance.step import NonFiniteError
from lightning_autobalance.variants import CWP, RBA, SAPINN, RoPINN, Stack


def weights(module: PINNModule) -> Tensor:
    return torch.cat([p.detach().flatten() for p in module.parameters()])


def seeded(cls: type[PINNModule] = Decay, **options: Any) -> PINNModule:
    torch.manual_seed(0)
    return cls(**options)


@pytest.mark.parametrize("optimizer", [AutoAdamW, torch.optim.AdamW, torch.optim.SGD], ids=lambda o: o.__name__)
def test_training_reduces_the_error(optimizer: Any, tmp_path: Path) -> None:
    module = seeded(optimizer=partial(optimizer, lr=1e-2))
    trainer = fit(module, tmp_path, points(module, steps_per_epoch=50), max_steps=200)
    start = seeded()
    x = module.grid(100)
    assert (module(x) - module.exact(x)).square().mean() < 0.5 * (start(x) - start.exact(x)).square().mean()
    assert trainer.global_step == 200


def test_a_step_is_the_plain_torch_step(tmp_path: Path) -> None:
    module, twin = seeded(Poisson2D).double(), seeded(Poisson2D).double()
    data = points(module)
    fit(module, tmp_path, data, max_steps=5, precision="64-true")
    optimizer = AutoAdamW(twin.parameters())
    for _ in range(5):
        batch = data.draw(twin.domain, 0, torch.float64)
        backward({t: r.square().mean() for t, r in twin.residuals(batch).items()}, twin.parameters())
        optimizer.step()
        optimizer.zero_grad()
    assert torch.equal(weights(module), weights(twin))


def test_pre_combine_with_equal_weights_is_the_summed_loss(tmp_path: Path) -> None:
    module, twin = seeded(Poisson2D).double(), seeded(Poisson2D).double()
    module.optimizer = partial(torch.optim.AdamW, lr=1e-2)
    data = points(module)
    fit(module, tmp_path, data, max_steps=5, precision="64-true")
    optimizer = torch.optim.AdamW(twin.parameters(), lr=1e-2)
    for _ in range(5):
        residuals = twin.residuals(data.draw(twin.domain, 0, torch.float64))
        optimizer.zero_grad()
        sum(r.square().mean() for r in residuals.values()).backward()
        optimizer.step()
    torch.testing.assert_close(weights(module), weights(twin), rtol=1e-12, atol=1e-14)


def test_weights_cancel_under_post_combine_and_not_otherwise(tmp_path: Path) -> None:
    def trained(**options: Any) -> Tensor:
        module = seeded(Poisson2D, **options)
        fit(module, tmp_path, max_steps=5, precision="64-true")
        return weights(module)

    auto, adamw = partial(AutoAdamW, eps=1e-30), torch.optim.AdamW
    torch.testing.assert_close(trained(optimizer=auto), trained(optimizer=auto, weights={"pde": 1e3}))
    difference = trained(optimizer=adamw) - trained(optimizer=adamw, weights={"boundary": 1e3})
    assert difference.abs().max() > 1e-4


@pytest.mark.parametrize("steps_per_call", [1, 3, 7])
def test_steps_per_call_changes_nothing_but_the_calls(steps_per_call: int, tmp_path: Path) -> None:
    one, many = seeded(), seeded(steps_per_call=steps_per_call)
    fit(one, tmp_path, max_steps=10)
    trainer = fit(many, tmp_path, max_steps=10)
    assert trainer.global_step == 10
    assert torch.equal(weights(one), weights(many))


class Lines(Callback):
    """Keeps the log lines."""

    def __init__(self) -> None:
        self.steps: list[int] = []

    def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        self.steps.append(trainer.global_step)


@pytest.mark.parametrize("steps_per_call", [1, 5])
def test_log_lines_lie_on_the_optimizer_steps(steps_per_call: int, tmp_path: Path) -> None:
    logger = CSVLogger(tmp_path, name="", version="")
    fit(seeded(steps_per_call=steps_per_call), tmp_path, max_steps=20, logger=logger, log_every_n_steps=4)
    rows = [r for r in logger.experiment.metrics_keys if r.startswith("loss/")]
    assert sorted(rows) == ["loss/boundary", "loss/pde"]
    lines = (tmp_path / "metrics.csv").read_text().splitlines()
    header = lines[0].split(",")
    steps = [int(line.split(",")[header.index("step")]) for line in lines[1:] if line.split(",")[header.index("lr")]]
    assert steps == [0, 4, 8, 12, 16]


def test_clipping_limits_each_term(tmp_path: Path) -> None:
    seen: list[Tensor] = []

    class Watch(Callback):
        def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
            seen.append(torch.cat([p.jac.flatten(1) for p in pl_module.parameters()], dim=1).norm(dim=1))

    fit(seeded(gradient_clip_val=1e-3), tmp_path, max_steps=3, callbacks=[Watch()])
    assert len(seen) == 3
    torch.testing.assert_close(torch.stack(seen), torch.full((3, 2), 1e-3))


def test_gradients_do_not_stay_on_the_parameters(tmp_path: Path) -> None:
    module = seeded(optimizer=torch.optim.AdamW)
    fit(module, tmp_path, max_steps=2)
    assert all(p.grad is None and not hasattr(p, "jac") for p in module.parameters())


def test_final_state_is_validated_also_in_mid_epoch(tmp_path: Path) -> None:
    module = seeded()
    trainer = fit(module, tmp_path, max_steps=8)
    x = module.grid(100)
    mse = (module(x) - module.exact(x)).square().mean()
    assert trainer.callback_metrics["val/mse"].item() == pytest.approx(mse.item(), rel=1e-5)


def test_lightning_callbacks_work(tmp_path: Path) -> None:
    checkpoint = ModelCheckpoint(tmp_path, monitor="val/rel_l2", save_last=True)
    callbacks = [checkpoint, EarlyStopping("val/rel_l2", patience=100), LearningRateMonitor()]
    logger = CSVLogger(tmp_path, name="", version="")
    trainer = fit(
        seeded(),
        tmp_path,
        max_steps=10,
        callbacks=callbacks,
        enable_checkpointing=True,
        logger=logger,
        log_every_n_steps=1,
    )
    assert Path(checkpoint.best_model_path).exists()
    assert Path(checkpoint.last_model_path).exists()
    assert "lr-AutoAdamW" in trainer.callback_metrics
    assert "loss/pde" in trainer.callback_metrics


def test_early_stopping_stops(tmp_path: Path) -> None:
    trainer = fit(seeded(), tmp_path, max_steps=1000, callbacks=[EarlyStopping("val/mse", patience=1, min_delta=1e9)])
    assert trainer.global_step < 100


def test_fast_dev_run(tmp_path: Path) -> None:
    assert fit(seeded(), tmp_path, fast_dev_run=True).global_step == 1


@pytest.mark.parametrize(("precision", "dtype"), [("32-true", torch.float32), ("64-true", torch.float64)])
def test_true_precisions(precision: str, dtype: torch.dtype, tmp_path: Path) -> None:
    module = seeded(Poisson2D)
    trainer = fit(module, tmp_path, max_steps=3, precision=precision)
    state = trainer.optimizers[0].state.values()
    assert {p.dtype for p in module.parameters()} | {s["exp_avg"].dtype for s in state} == {dtype}


def test_bfloat16_trains_and_warns(tmp_path: Path) -> None:
    module = seeded(Poisson2D)
    before = weights(module)
    with pytest.warns(UserWarning, match="bf16-mixed rounds"):
        fit(module, tmp_path, max_steps=3, precision="bf16-mixed")
    assert torch.isfinite(weights(module)).all()
    assert not torch.equal(before, weights(module))


class RowSum(Aggregator):
    def forward(self, jacobian: Tensor) -> Tensor:
        return jacobian.sum(dim=0)


def test_an_aggregator_before_a_post_combine_optimizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MisconfigurationException, match=r"`balancer` must be left out with AutoAdamW, got RowSum"):
        fit(seeded(balancer=RowSum()), tmp_path, max_steps=1)


def test_a_weighting_before_a_post_combine_optimizer_warns(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="`balancer` EqualWeights changes little with AutoAdamW"):
        fit(seeded(balancer=EqualWeights()), tmp_path, max_steps=1)


def test_an_aggregator_that_asks_for_one_row_gets_it(tmp_path: Path) -> None:
    seen: list[list[bool]] = []

    class First(RowSum):
        def rows_needed(self, m: int) -> list[int]:
            return [1]

        def forward(self, jacobian: Tensor) -> Tensor:
            seen.append((jacobian != 0).any(dim=1).tolist())
            return super().forward(jacobian)

    module = seeded(balancer=First(), optimizer=torch.optim.SGD)
    fit(module, tmp_path, max_steps=4, log_every_n_steps=2)
    assert seen == [[True, True], [False, True]] * 2  # all rows on steps that are logged


def test_lbfgs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MisconfigurationException, match=r"`optimizer`.*LBFGS"):
        fit(seeded(optimizer=torch.optim.LBFGS), tmp_path, max_steps=1)


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_nan_stops_the_run_and_leaves_the_weights(what: str, tmp_path: Path) -> None:
    class Breaks(Decay):
        calls = 0

        def losses(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
            losses = super().losses(points)
            type(self).calls += 1
            if type(self).calls > 4:  # one before training
                zero = losses["boundary"] * 0
                losses["boundary"] = zero / zero if what == "loss" else losses["boundary"] + zero.sqrt()
            return losses

    reference = seeded()
    fit(reference, tmp_path, max_steps=3)
    module = seeded(Breaks)
    with pytest.raises(
        NonFiniteError, match=rf"The {what} of loss term `boundary` must be finite at step 3 \(lr 0.001\)"
    ):
        fit(module, tmp_path, points(Decay()), max_steps=10)
    assert torch.equal(weights(module), weights(reference))


class BreaksNow(Decay):
    """Its loss is NaN in the steps named."""

    steps = (3, 4)

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        residuals = super().residuals(points)
        bad = self._trainer is not None and self.trainer.training and self.global_step in self.steps
        return {**residuals, "pde": residuals["pde"] * (float("nan") if bad else 1.0)}


@pytest.mark.parametrize("variant", [None, RBA(), SAPINN(seed=0), CWP(seed=0), RoPINN(seed=0)])
def test_steps_that_are_not_finite_can_be_skipped(variant: Any, tmp_path: Path) -> None:
    module = seeded(BreaksNow, skip_non_finite=2, variant=variant)
    with pytest.warns(UserWarning, match="Step 3 is skipped, as others will be that are like it"):
        trainer = fit(module, tmp_path, points(Decay()), max_steps=8, log_every_n_steps=1)
    assert trainer.global_step == 8
    assert module.finite_check.skipped == 2
    assert module.latest["skipped"] == 2.0
    assert torch.isfinite(weights(module)).all()
    assert all(torch.isfinite(b).all() for b in module.buffers())
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    resumed = seeded(Decay if variant is None else BreaksNow, variant=deepcopy(variant))
    fit(module, tmp_path, points(Decay()), max_steps=9, ckpt_path=tmp_path / "a.ckpt")
    assert resumed.finite_check.skipped == 0
    assert module.finite_check.skipped == 2


def test_a_skipped_step_leaves_weights_and_moments(tmp_path: Path) -> None:
    class Never(BreaksNow):
        steps = (3,)

    module, before = seeded(Never, skip_non_finite=1), []

    class Watch(Callback):
        def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
            state = trainer.optimizers[0].state_dict()["state"]
            moments = [t.flatten() for s in state.values() for t in s.values() if isinstance(t, Tensor)]
            before.append(torch.cat([weights(module), *moments]).clone())

    with pytest.warns(UserWarning, match="Step 3 is skipped"):
        fit(module, tmp_path, points(Decay()), max_steps=5, callbacks=[Watch()])
    assert torch.equal(before[3], before[2])
    assert not torch.equal(before[4], before[3])


class Freezes(Callback):
    """Freezes and unfreezes layers, so that the gradients have other numbers of columns."""

    def on_train_batch_start(self, trainer: Any, pl_module: Any, *_: Any) -> None:
        step, layers = trainer.global_step, [m for m in pl_module.net.modules() if isinstance(m, torch.nn.Linear)]
        layers[0].requires_grad_(step % 5 != 2)
        layers[1].requires_grad_(step % 7 < 4)


@pytest.mark.parametrize("variant", [None, RoPINN(seed=0), Stack([RoPINN(seed=0)])], ids=["none", "ropinn", "stack"])
@pytest.mark.parametrize("balancer", [DBMTL, MConFIG, ConFIG, GradNorm, None])
def test_layers_may_freeze_and_the_run_resumes(balancer: Any, variant: Any, tmp_path: Path) -> None:
    def made() -> PINNModule:
        options = {} if balancer is None else {"balancer": balancer(), "optimizer": partial(torch.optim.SGD, lr=1e-4)}
        torch.manual_seed(1)
        return seeded(net=MLP(1, 1, [8, 8]), variant=deepcopy(variant), **options)

    whole, part, resumed = made(), made(), made()
    fit(whole, tmp_path, points(Decay()), max_steps=20, callbacks=[Freezes()])
    trainer = fit(part, tmp_path, points(Decay()), max_steps=12, callbacks=[Freezes()])  # a layer is frozen
    trainer.save_checkpoint(tmp_path / "a.ckpt")
    fit(resumed, tmp_path, points(Decay()), max_steps=20, callbacks=[Freezes()], ckpt_path=tmp_path / "a.ckpt")
    assert torch.equal(weights(resumed), weights(whole))


@pytest.mark.parametrize("options", [{}, {"optimizer": torch.optim.Adam}])
def test_clipping_comes_before_the_check(options: dict[str, Any], tmp_path: Path) -> None:
    class Steep(Decay):
        def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
            return {name: 1e11 * r for name, r in super().residuals(points).items()}

    module = seeded(Steep, gradient_clip_val=1.0, check_exact=False, **options)
    before = weights(module).clone()
    fit(module, tmp_path, points(Decay()), max_steps=3)
    assert torch.isfinite(weights(module)).all()
    assert not torch.equal(weights(module), before)
    with pytest.raises(NonFiniteError, match="The square of the gradient of loss term"):
        fit(seeded(Steep, check_exact=False, **options), tmp_path, points(Decay()), max_steps=3)


def test_too_many_skipped_steps_stop_the_run_and_name_the_last_checkpoint(tmp_path: Path) -> None:
    module = seeded(BreaksNow, skip_non_finite=1)
    checkpoint = ModelCheckpoint(tmp_path / "saved", save_last=True)
    said = r"at step 4 .* 1 steps before it were skipped\. The last checkpoint is .*last"
    data, options = points(Decay(), steps_per_epoch=2), {"callbacks": [checkpoint], "enable_checkpointing": True}
    with pytest.warns(UserWarning, match="Step 3 is skipped"), pytest.raises(NonFiniteError, match=said):
        fit(module, tmp_path, data, max_steps=8, **options)
    assert torch.isfinite(weights(module)).all()


def test_terms_that_change_in_training_are_refused(tmp_path: Path) -> None:
    class Changes(Decay):
        def losses(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
            losses = super().losses(points)
            return dict(reversed(losses.items())) if self.global_step else losses

    with pytest.raises(MisconfigurationException, match=r"same terms in every step, \['pde', 'boundary'\]"):
        fit(seeded(Changes), tmp_path, points(Decay()), max_steps=3)


# What a subclass may do without `super()` -----------------------------------------------------------------------------


def test_an_optimizer_of_the_subclass_trains(tmp_path: Path) -> None:
    class Own(Decay):
        def configure_optimizers(self) -> Any:
            return torch.optim.Adam(self.parameters(), lr=1e-2)

    own, ours = seeded(Own), seeded(optimizer=partial(torch.optim.Adam, lr=1e-2))
    for module in (own, ours):
        fit(module, tmp_path, max_steps=5)
    assert torch.equal(weights(own), weights(ours))


def test_an_optimizer_of_the_subclass_is_checked(tmp_path: Path) -> None:
    class Own(Decay):
        def configure_optimizers(self) -> Any:
            return torch.optim.LBFGS(self.parameters())

    with pytest.raises(MisconfigurationException, match="got LBFGS"):
        fit(seeded(Own), tmp_path, max_steps=1)


def test_hooks_of_the_subclass_lose_nothing(tmp_path: Path) -> None:
    class Own(Decay):
        def on_train_epoch_end(self) -> None: ...

        def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None: ...

    step = partial(torch.optim.lr_scheduler.StepLR, step_size=1, gamma=0.1)
    scheduled: dict[str, Any] = {"scheduler": step, "scheduler_interval": "epoch"}
    trainer = fit(seeded(Own, **scheduled), tmp_path, max_steps=10)
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(1e-3 * 0.1**2)
    trainer.save_checkpoint(tmp_path / "own.ckpt")
    fit(seeded(Own, **scheduled), tmp_path, max_steps=12, ckpt_path=tmp_path / "own.ckpt")


def test_a_setup_of_the_subclass_is_followed_by_the_checks(tmp_path: Path) -> None:
    class Own(Decay):
        def setup(self, stage: str) -> None: ...

    with pytest.raises(MisconfigurationException, match="Did you mean 'pde'"):
        fit(seeded(Own, weights={"pd": 5.0}), tmp_path, max_steps=1)


def test_callbacks_of_the_subclass_must_keep_ours(tmp_path: Path) -> None:
    class Own(Decay):
        def configure_callbacks(self) -> Any:
            return []

    with pytest.raises(MisconfigurationException, match=r"must add its callbacks to those of `super\(\)"):
        fit(seeded(Own), tmp_path, max_steps=1)


def test_losses_of_the_subclass(tmp_path: Path) -> None:
    class More(Decay):
        def losses(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
            return {**super().losses(points), "extra": self(points["interior"]).square().mean()}

    class Only(Decay):
        def losses(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
            return {"all": self(points["interior"]).square().mean()}

    for cls, terms in ((More, ("pde", "boundary", "extra")), (Only, ("all",))):
        module = seeded(cls)
        fit(module, tmp_path, max_steps=2)
        assert module.terms == terms


def test_terms_may_begin_to_share_a_graph(tmp_path: Path) -> None:
    class Shares(Decay):
        def losses(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
            losses = super().losses(points)
            if self.global_step >= 2:
                losses["boundary"] = losses["boundary"] + 0.1 * losses["pde"]
            return losses

    module = seeded(Shares)
    assert fit(module, tmp_path, max_steps=4).global_step == 4


# Bad days -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", [lambda k: float("nan") if k == 4 else 1.0, lambda k: 1e42 if k == 4 else 1.0])
def test_weights_that_are_not_finite_are_not_saved(schedule: Any, tmp_path: Path) -> None:
    checkpoint = ModelCheckpoint(tmp_path, save_last=True)
    module = seeded(scheduler=partial(torch.optim.lr_scheduler.LambdaLR, lr_lambda=schedule))
    with pytest.raises(NonFiniteError, match=r"`lr` must be finite|The weights must be finite"):
        fit(module, tmp_path, max_steps=5, callbacks=[checkpoint], enable_checkpointing=True)
    assert not list(tmp_path.glob("*.ckpt"))


def test_gradients_whose_squares_overflow_are_refused(tmp_path: Path) -> None:
    class Huge(Decay):
        def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
            found = super().residuals(points)
            return {"pde": 3e11 * found["pde"], "boundary": found["boundary"]}

    with pytest.raises(NonFiniteError, match="The square of the gradient of loss term `pde` must be finite"):
        fit(seeded(Huge, check_exact=False), tmp_path, max_steps=1)


def test_nothing_is_logged_where_the_trainer_never_logs(tmp_path: Path) -> None:
    module = seeded()
    fit(module, tmp_path, max_steps=2, log_every_n_steps=0)
    assert module.latest == {}


@pytest.mark.parametrize("steps_per_call", [1, 4])
def test_resume_is_exact_where_max_steps_ends_within_a_call(steps_per_call: int, tmp_path: Path) -> None:
    def trained(steps: int, **options: Any) -> PINNModule:
        module = seeded(steps_per_call=steps_per_call)
        data = points(module, resample_every=4, steps_per_epoch=16)
        fit(module, tmp_path, data, max_steps=steps, **options).save_checkpoint(tmp_path / f"{steps}.ckpt")
        return module

    whole = trained(21)
    trained(13)
    assert torch.equal(weights(whole), weights(trained(21, ckpt_path=tmp_path / "13.ckpt")))


def test_float64_weights_come_back_whole(tmp_path: Path) -> None:
    module = seeded()
    trainer = fit(module, tmp_path, max_steps=3, precision="64-true")
    trainer.save_checkpoint(tmp_path / "double.ckpt")
    loaded = Decay()
    fit(loaded, tmp_path, max_steps=3, precision="64-true", ckpt_path=tmp_path / "double.ckpt")
    assert torch.equal(weights(loaded), weights(module))


def test_other_counts_do_not_matter_for_validation(tmp_path: Path) -> None:
    trainer = fit(seeded(), tmp_path, max_steps=2)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    data = CollocationPoints({"interior": 5, "boundary": 2}, seed=0, eval_points=50)
    assert trainer.validate(seeded(), data, ckpt_path=tmp_path / "last.ckpt", verbose=False)
