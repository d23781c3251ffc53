"""Our contenders: `fit` and plain torch loops."""

import inspect
import tempfile
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from torch.optim import AdamW, Optimizer

from benchmarks.peers.case import Case
from benchmarks.peers.contender import Prepared, Tick, forever
from lightning_autobalance.callbacks import BalanceMonitor
from lightning_autobalance.jacobian import backward, flatten
from lightning_autobalance.module import PINNModule
from lightning_autobalance.optim import AutoAdamW
from lightning_autobalance.shapes import Jacobian
from lightning_autobalance.utils.malloc import keep_freed_memory


class NotCompiledError(RuntimeError):
    """A run with `compile` fell back to the uncompiled step."""


class Ticks(Callback):
    """Calls a function once for every step, at the latest after the last step of a turn."""

    def __init__(self, tick: Tick) -> None:
        self.tick = tick
        self._told = 0

    def on_train_batch_end(self, trainer: Trainer, *__: Any) -> None:
        """Report the finished steps."""
        while self._told < trainer.global_step:
            self._told += 1
            self.tick()

    def next_due_step(self, step: int) -> int:
        """The last step of a turn, where the function knows how many are left."""
        return step + max(1, getattr(self.tick, "left", 1)) - 1


class _Gradients(Callback):
    """Keeps the per-term gradients that the optimizer reads."""

    found: Jacobian

    def on_before_optimizer_step(self, _: Trainer, pl_module: Any, __: Optimizer) -> None:
        m = len(pl_module.terms)
        blocks = [getattr(p, "jac", p.new_zeros(m, *p.shape)) for p in pl_module.parameters()]
        self.found = flatten(blocks).clone()


def fit(case: Case, **options: Any) -> Prepared:
    """`Trainer.fit` with the balance monitor and TensorBoard at their defaults, as a user runs it.

    Args:
        **options: Arguments of the module.
    """
    module = case.module(**options)
    return Prepared(
        run=lambda tick: train(module, case, -1, BalanceMonitor(), Ticks(tick)),
        net=module.net,
        losses=lambda: module.losses(case.data),
        gradients=lambda: _first_gradients(module, case),
    )


def train(module: PINNModule, case: Case, steps: int, *callbacks: Callback) -> None:
    """Train a module by `Trainer.fit`, with TensorBoard.

    Args:
        steps: Number of steps; -1 for no end.
    """
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            max_steps=steps,
            max_epochs=-1,
            accelerator="cpu",
            devices=1,
            logger=TensorBoardLogger(folder, name="", version=""),
            callbacks=list(callbacks),
            enable_model_summary=False,
            enable_progress_bar=False,
            enable_checkpointing=False,
            limit_val_batches=0,
            default_root_dir=folder,
        )
        trainer.fit(module, case.loader())


def _first_gradients(module: PINNModule, case: Case) -> Jacobian:
    """The per-term gradients of its first step, taken at learning rate 0."""
    kept, watch = module.optimizer, _Gradients()
    module.optimizer = partial(AutoAdamW, lr=0.0)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        train(module, case, 1, watch)
    module.optimizer = kept
    if said := [str(w.message) for w in warned if str(w.message).startswith("`compile`")]:
        raise NotCompiledError(said[0])
    return watch.found


def cannot_compile() -> str:
    """Why there is no compiled contender, or an empty string."""
    there = "compile" in inspect.signature(PINNModule.__init__).parameters
    return "" if there else "`PINNModule` has no argument `compile`"


def auto_adamw_loop(case: Case) -> Prepared:
    """A plain torch loop of `backward` and AutoAdamW, derivatives in Taylor mode; keeps freed memory as `fit` does."""
    module = case.module(derivatives="taylor")
    optimizer = AutoAdamW(module.parameters())

    def step() -> None:
        optimizer.zero_grad()
        backward(module.losses(case.data), module.parameters(), shared=False)
        optimizer.step()

    return _prepared(case, module, step)


def adamw_loop(case: Case) -> Prepared:
    """The same with torch's AdamW on the sum of the losses."""
    module = case.module(derivatives="taylor")
    optimizer = AdamW(module.parameters())

    def step() -> None:
        optimizer.zero_grad()
        torch.stack(list(module.losses(case.data).values())).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return _prepared(case, module, step)


def _prepared(case: Case, module: PINNModule, step: Callable[[], None]) -> Prepared:
    def run(tick: Tick) -> None:
        keep_freed_memory()
        forever(step, tick)

    return Prepared(run, module.net, lambda: module.losses(case.data))
