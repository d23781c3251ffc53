"""`step_terms` in somebody's own module: the plain loop's numbers, and what Lightning drops in manual mode."""

import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor
from torch.optim.lr_scheduler import ExponentialLR, ReduceLROnPlateau
from torch.utils.data import DataLoader

from helpers.toys import trainer
from lightning_autobalance import AutoAdamW, BalanceMonitor, TermLog, backward, step_terms
from lightning_autobalance.nets import MLP
from lightning_autobalance.step import NonFiniteError

Optimizers = Callable[[Any], Any]
auto_adamw = partial(AutoAdamW, lr=1e-2)


class Own(LightningModule):
    """What somebody may have: two losses on the points of a batch."""

    def __init__(self, optimizers: Optimizers = auto_adamw, **options: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = MLP(1, 1, [8])
        self.automatic_optimization = False
        self.optimizers_of = optimizers
        self.options = options

    def losses(self, x: Tensor) -> dict[str, Tensor]:
        u = self.net(x)
        return {"pde": 100 * (u - torch.sin(x)).square().mean(), "boundary": self.net(torch.zeros(1, 1)).square().sum()}

    def training_step(self, batch: Tensor, batch_idx: int) -> None:
        step_terms(self, self.losses(batch), **self.options)

    def configure_optimizers(self) -> Any:
        return self.optimizers_of(self.parameters())

    def train_dataloader(self) -> Any:
        return DataLoader(torch.linspace(0, 3, 32)[:, None], batch_size=8)  # four batches an epoch


def weights(module: torch.nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in module.parameters()])


def fit(module: LightningModule, tmp_path: Path, **options: Any) -> Trainer:
    lightning_trainer = trainer(tmp_path, **{"log_every_n_steps": 4, **options})
    lightning_trainer.fit(module)
    return lightning_trainer


def plain(steps: int, optimizer: Callable[[Any], Any], post_combine: bool = True) -> Own:
    """The same training in a plain loop."""
    module = Own()
    made = optimizer(module.parameters())
    for _, batch in zip(range(steps), [b for _ in range(steps) for b in module.train_dataloader()], strict=False):
        made.zero_grad()
        losses = module.losses(batch)
        if post_combine:
            backward(losses, module.parameters())
        else:
            torch.stack(list(losses.values())).sum().backward()
        made.step()
    return module


def test_a_step_is_that_of_the_plain_loop_bit_for_bit(tmp_path: Path) -> None:
    module = Own()
    lightning_trainer = fit(module, tmp_path, max_steps=10)
    assert lightning_trainer.global_step == 10
    assert torch.equal(weights(module), weights(plain(10, auto_adamw)))
    assert all(p.grad is None and not hasattr(p, "jac") for p in module.parameters())


def test_other_optimizers_step_along_the_sum(tmp_path: Path) -> None:
    adamw = partial(torch.optim.AdamW, lr=1e-2)
    module = Own(adamw)
    fit(module, tmp_path, max_steps=10)
    torch.testing.assert_close(weights(module), weights(plain(10, adamw, post_combine=False)), rtol=1e-4, atol=1e-6)
    assert not torch.allclose(weights(module), weights(plain(10, auto_adamw)), atol=1e-3)


def test_the_trained_module_has_learnt(tmp_path: Path) -> None:
    module, x = Own(), torch.linspace(0, 3, 32)[:, None]
    before = module.losses(x)["pde"]
    fit(module, tmp_path, max_steps=200)
    assert module.losses(x)["pde"] < 0.5 * before


def scheduled(params: Any, interval: str, scheduler: Any = None) -> dict[str, Any]:
    optimizer = AutoAdamW(params, lr=1e-2)
    made = scheduler(optimizer) if scheduler is not None else ExponentialLR(optimizer, 0.5)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": made, "interval": interval}}


@pytest.mark.parametrize(("interval", "halvings"), [("step", 10), ("epoch", 2)])
def test_schedules_step(interval: str, halvings: int, tmp_path: Path) -> None:
    lightning_trainer = fit(Own(partial(scheduled, interval=interval)), tmp_path, max_steps=10)  # epochs of four steps
    assert lightning_trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(1e-2 * 0.5**halvings)


def test_a_plateau_schedule_is_left_to_the_module_with_a_warning(tmp_path: Path) -> None:
    module = Own(lambda params: {**scheduled(params, "epoch", ReduceLROnPlateau), "monitor": "loss/pde"})
    with pytest.warns(UserWarning, match=r"does not step ReduceLROnPlateau.*`self.lr_schedulers\(\).step\(value\)`"):
        lightning_trainer = fit(module, tmp_path, max_steps=10)
    assert lightning_trainer.lr_scheduler_configs[0].scheduler.last_epoch == 0


def test_clipping_scales_each_term_down(tmp_path: Path) -> None:
    norms: list[Tensor] = []

    class Watch(Callback):
        def on_before_optimizer_step(self, trainer: Any, pl_module: Any, optimizer: Any) -> None:
            blocks = [p.jac.flatten(1) for p in pl_module.parameters()]
            norms.append(torch.cat(blocks, dim=1).norm(dim=1))

    fit(Own(gradient_clip_val=1e-3), tmp_path, max_steps=1, callbacks=[Watch()])
    torch.testing.assert_close(norms[0], torch.tensor([1e-3, norms[0][1].item()]), rtol=1e-5, atol=0)
    assert norms[0][1] <= 1e-3 * (1 + 1e-5)
    with pytest.raises(ValueError, match=r"`gradient_clip_val` must be > 0, got 0\.0\. Leave it out"):
        fit(Own(gradient_clip_val=0.0), tmp_path, max_steps=1)


def test_losses_are_logged_every_so_many_steps(tmp_path: Path) -> None:
    first = Own().losses(next(iter(Own().train_dataloader())))
    fit(Own(), tmp_path, max_steps=10, log_every_n_steps=4, logger=CSVLogger(tmp_path, name="", version=""))
    header, *rows = [line.split(",") for line in (tmp_path / "metrics.csv").read_text().splitlines()]
    lines = [dict(zip(header, map(float, row), strict=True)) for row in rows]
    assert [line["step"] for line in lines] == [0, 4, 8]
    assert lines[0].keys() == {"step", "lr", "loss/pde", "loss/boundary"}
    assert lines[0]["loss/pde"] == pytest.approx(first["pde"].item())
    assert lines[0]["lr"] == 1e-2


class Watched(TermLog, Own):
    """With the second base that lets the monitor in."""


def test_the_monitor_watches_a_module_with_the_term_log(tmp_path: Path) -> None:
    stop, module = EarlyStopping("loss/pde", patience=100), Watched()
    logger = CSVLogger(tmp_path, name="", version="")
    fit(module, tmp_path, max_steps=8, callbacks=[BalanceMonitor(), stop], logger=logger)
    header, *rows = [line.split(",") for line in (tmp_path / "metrics.csv").read_text().splitlines()]
    lines = [dict(zip(header, map(float, row), strict=True)) for row in rows]
    assert [line["step"] for line in lines] == [0, 4]
    twin = Own()
    backward(twin.losses(next(iter(twin.train_dataloader()))), twin.parameters())
    norms = torch.cat([p.jac.flatten(1) for p in twin.parameters()], dim=1).norm(dim=1)
    assert lines[0]["balance/grad_norm/pde"] == pytest.approx(norms[0].item(), rel=1e-5)
    assert lines[0]["balance/grad_norm/boundary"] == pytest.approx(norms[1].item(), rel=1e-5)
    assert lines[0]["balance/update_norm/pde"] == pytest.approx(1e-2 * weights(twin).numel() ** 0.5, rel=1e-3)
    assert torch.equal(weights(module), weights(plain(8, auto_adamw)))
    assert stop.best_score < float("inf")


def test_the_monitor_says_what_other_modules_lack(tmp_path: Path) -> None:
    with pytest.raises(MisconfigurationException, match="another module with `terms`, `logs_this_step` and `record`"):
        fit(Own(), tmp_path, max_steps=1, callbacks=[BalanceMonitor()])


def test_a_trainer_that_never_logs(tmp_path: Path) -> None:
    assert fit(Own(), tmp_path, max_steps=3, log_every_n_steps=0).global_step == 3


def test_a_resume_equals_the_uninterrupted_run(tmp_path: Path) -> None:
    make = partial(scheduled, interval="step", scheduler=partial(ExponentialLR, gamma=0.9))
    whole, part, resumed = Own(make), Own(make), Own(make)
    fit(whole, tmp_path, max_epochs=4)
    fit(part, tmp_path, max_epochs=2).save_checkpoint(tmp_path / "part.ckpt")
    trainer(tmp_path, max_epochs=4, log_every_n_steps=4).fit(resumed, ckpt_path=tmp_path / "part.ckpt")
    assert torch.equal(weights(whole), weights(resumed))
    assert not torch.equal(weights(whole), weights(part))


def test_a_resume_with_other_terms_is_refused(tmp_path: Path) -> None:
    fit(Own(), tmp_path, max_epochs=1).save_checkpoint(tmp_path / "one.ckpt")
    module = Own()
    losses = module.losses
    module.losses = lambda x: dict(reversed(losses(x).items()))  # type: ignore[method-assign]
    with pytest.raises(MisconfigurationException, match=r"order in every step, \['pde', 'boundary'\], got \['bound"):
        trainer(tmp_path, max_epochs=2, log_every_n_steps=4).fit(module, ckpt_path=tmp_path / "one.ckpt")


def test_a_module_that_was_trained_can_be_pickled_and_trained_again(tmp_path: Path) -> None:
    module = Own()
    fit(module, tmp_path, max_steps=5)
    copy = pickle.loads(pickle.dumps(module))
    fit(copy, tmp_path, max_steps=5)
    fit(module, tmp_path, max_steps=5)
    assert torch.equal(weights(copy), weights(module))


def test_what_is_not_finite_is_refused_before_a_weight_is_touched(tmp_path: Path) -> None:
    module = Own()
    losses, before = module.losses, weights(module)
    module.losses = lambda x: {**losses(x), "boundary": losses(x)["boundary"] * torch.nan}  # type: ignore[method-assign]
    with pytest.raises(NonFiniteError, match="The loss of loss term `boundary` must be finite at step 0"):
        fit(module, tmp_path, max_steps=2)
    assert torch.equal(weights(module), before)


def several(params: Any) -> list[Any]:
    params = list(params)
    return [AutoAdamW(params[:2]), AutoAdamW(params[2:])]


@pytest.mark.parametrize(
    ("optimizers", "said"),
    [
        (several, r"`step_terms` steps one optimizer, got 2 from `configure_optimizers` of Own\. Put all"),
        (torch.optim.LBFGS, "step once per evaluation of the losses, got LBFGS"),
    ],
)
def test_optimizers_that_cannot_work(optimizers: Optimizers, said: str, tmp_path: Path) -> None:
    with pytest.raises(MisconfigurationException, match=said):
        fit(Own(optimizers), tmp_path, max_steps=1)


def test_automatic_optimization_is_refused(tmp_path: Path) -> None:
    module = Own()
    module.automatic_optimization = True
    with pytest.raises(MisconfigurationException, match=r"`automatic_optimization` of Own must be False, got True"):
        fit(module, tmp_path, max_steps=1)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"gradient_clip_val": 1.0}, "gradient clipping is not supported for manual optimization"),  # Lightning's own
        ({"accumulate_grad_batches": 2}, "gradient accumulation is not supported for manual optimization"),
        ({"precision": "16-true"}, "`precision` must be 32-true, 64-true or bf16-mixed, got 16-true"),
    ],
)
def test_trainers_that_cannot_work(options: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(MisconfigurationException, match=said):
        fit(Own(), tmp_path, max_steps=1, **options)


@pytest.mark.parametrize(
    ("losses", "said"),
    [
        (lambda u: {}, "`losses` must have at least one term"),
        (lambda u: {"pde": u.square()}, r"Loss term `pde` must be a scalar, got shape \(8, 1\)"),
        (lambda u: {"pde": u.square().mean().detach()}, "Loss term `pde` must depend on the parameters"),
    ],
)
def test_losses_that_cannot_work(losses: Any, said: str, tmp_path: Path) -> None:
    module = Own()
    module.losses = lambda x: losses(module.net(x))  # type: ignore[method-assign]
    with pytest.raises(ValueError, match=said):
        fit(module, tmp_path, max_steps=1)


def test_terms_that_change_are_refused(tmp_path: Path) -> None:
    module = Own()
    losses = module.losses
    module.losses = lambda x: {f"pde{module.global_step}": losses(x)["pde"]}  # type: ignore[method-assign]
    with pytest.raises(MisconfigurationException, match=r"in every step, \['pde0'\], got \['pde1'\]"):
        fit(module, tmp_path, max_steps=2)
