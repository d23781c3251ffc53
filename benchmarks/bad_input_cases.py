"""The wrong inputs that `bad_inputs` gives."""

import os
import pickle
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import BatchSizeFinder, ModelCheckpoint
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau, StepLR
from torch.utils.data import DataLoader

from lightning_autobalance.balancing import NTK, ConFIG
from lightning_autobalance.cli import main
from lightning_autobalance.data import CollocationPoints
from lightning_autobalance.module import PINNModule
from lightning_autobalance.nets import MLP
from lightning_autobalance.optim import AutoAdamW
from lightning_autobalance.optim.finish import LBFGS, LevenbergMarquardt, SelfScaledBroyden
from lightning_autobalance.points import Interval, Sobol
from lightning_autobalance.shapes import Fields, Points
from lightning_autobalance.variants import GPINN, RBA, Causal, RoPINN

COUNTS = {"interior": 16, "boundary": 2}
LAST = Path("last.ckpt")
Residuals = dict[str, Tensor]


class Case(NamedTuple):
    """A wrong input."""

    wrong: str
    run: Callable[[], Any]


class Decay(PINNModule):
    """u' = -u on [0, 1], u(0) = 1.

    Args:
        **options: Arguments of `PINNModule`.
    """

    domain = Interval(0.0, 1.0)

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"net": MLP(1, 1, [8]), **options})

    def residuals(self, points: Mapping[str, Tensor]) -> Residuals:
        """Residuals of the equation and of the values at both ends."""
        u, u_x = self.partials(points["interior"], "", "x")
        ends = points["boundary"]
        return {"pde": u_x + u, "boundary": self(ends) - torch.exp(-ends)}

    def exact(self, x: Points) -> Fields:
        """exp(-x)."""
        return torch.exp(-x)


def fit(module: PINNModule | None = None, counts: Any = None, ckpt_path: Path | None = None, **options: Any) -> None:
    """Train a few steps.

    Args:
        module: The module to train; `Decay` by default.
        counts: Number of points by part of the domain.
        ckpt_path: Checkpoint to resume from.
        **options: Arguments of `CollocationPoints` and of the Trainer.
    """
    names = ("sampler", "resample_every", "steps_per_epoch")
    of_data = {name: options.pop(name) for name in names if name in options}
    data = CollocationPoints(COUNTS if counts is None else counts, **{"seed": 0, "eval_points": 10, **of_data})
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "num_sanity_val_steps": 0}
    trainer = Trainer(
        **{"accelerator": "cpu", "devices": 1, "max_steps": 3, "enable_checkpointing": False, **quiet, **options}
    )
    trainer.fit(module if module is not None else Decay(), data, ckpt_path=ckpt_path)


def options(**given: Any) -> Callable[[], None]:
    """Train `Decay` with these arguments of its own.

    Args:
        **given: Arguments of `PINNModule`.
    """
    return lambda: fit(Decay(**given))


def residuals(function: Callable[[Any, Mapping[str, Tensor], Residuals], Any], **given: Any) -> Callable[[], None]:
    """Train `Decay` with changed residuals.

    Args:
        function: From the module, the points and the correct residuals to the residuals used.
        **given: Arguments of `PINNModule`.
    """

    class Changed(Decay):
        def residuals(self, points: Mapping[str, Tensor]) -> Residuals:
            changed: Residuals = function(self, points, super().residuals(points))
            return changed

    return lambda: fit(Changed(**given))


def pde(function: Callable[[Any, Tensor, Tensor], Tensor]) -> Callable[[], None]:
    """Train `Decay` with a changed residual of the equation.

    Args:
        function: From the module, the interior points and the correct residual to the residual used.
    """
    return residuals(lambda module, points, right: {**right, "pde": function(module, points["interior"], right["pde"])})


def command(*line: str, yaml: str | None = None) -> Callable[[], None]:
    """The command, for a small run of the Helmholtz problem.

    Args:
        yaml: Text of a configuration that replaces the problem's.
    """

    def run() -> None:
        Path("my.yaml").write_text("model:\n  class_path: Helmholtz2D\n" if yaml is None else yaml)
        points = ["--data.points.interior=4", "--data.points.boundary=4"] if yaml is None else []
        main(["fit", "--config=my.yaml", *points, "--trainer.logger=false", "--trainer.accelerator=cpu", *line])

    return run


def reference(*, targets: Any = None, **columns: Any) -> Callable[[], None]:
    """Train `Decay` with a reference from a file.

    Args:
        targets: As in the argument `reference`.
        **columns: Of the file.
    """

    def run() -> None:
        np.savez("known.npz", **columns)
        fit(Decay(reference={"file": "known.npz"} | ({"targets": targets} if targets else {})))

    return run


def checkpoint(spoil: Callable[[], Any], then: Callable[[], Any]) -> Callable[[], None]:
    """Train for a step, damage the checkpoint, load it.

    Args:
        spoil: Damages `last.ckpt`.
        then: Loads it.
    """

    def run() -> None:
        callbacks = [ModelCheckpoint(".", filename="best", save_last=True)]
        fit(max_steps=1, enable_checkpointing=True, callbacks=callbacks)
        spoil()
        then()

    return run


class _Harmful:
    def __reduce__(self) -> Any:
        return os.mkdir, ("harm",)


class _Other(Decay):
    pass


class _NoDomain(PINNModule):
    pass


class _WrongExact(Decay):
    def exact(self, x: Points) -> Fields:
        return torch.exp(x)


class _DetachedExact(Decay):
    def exact(self, x: Points) -> Fields:
        return torch.exp(-x.detach())


class _WrongExactShape(Decay):
    def exact(self, x: Points) -> Fields:
        return torch.exp(-x[:, 0])


class _Measured(Decay):
    measured = ("sensors",)


class _Losses(PINNModule):
    domain = Interval(0.0, 1.0)

    def losses(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"pde": self(points["interior"]).square().mean()}


def _cut() -> None:
    LAST.write_bytes(LAST.read_bytes()[:-2000])


def _layers(*inner: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(1, 8), *inner, nn.Linear(8, 1))


def _nan(module: Any, _: Any, right: Residuals) -> Residuals:
    late = module._trainer is not None and module.trainer.global_step >= 2
    return {**right, "pde": right["pde"] * (float("nan") if late else 1.0)}


def _fewer(module: Any, _: Any, right: Residuals) -> Residuals:
    late = module._trainer is not None and module.trainer.global_step >= 2
    return {"pde": right["pde"]} if late else right


def _second(module: Any, points: Mapping[str, Tensor], right: Residuals) -> Residuals:
    (u_xx,) = module.partials(points["interior"], "xx")
    return {**right, "pde": u_xx - module(points["interior"])}


def loader(**batch: Any) -> Callable[[], None]:
    """Train on batches of one's own.

    Args:
        **batch: What a batch holds in place of right points.
    """

    def run() -> None:
        right = {"interior": torch.rand(16, 1), "boundary": torch.tensor([[0.0], [1.0]])}
        quiet: Any = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
        batches: Any = [{**right, **batch}] * 2
        trainer = Trainer(accelerator="cpu", devices=1, max_steps=2, enable_checkpointing=False, **quiet)
        trainer.fit(Decay(), DataLoader(batches, batch_size=None))

    return run


def _nothing() -> None:
    pass


class _Arrays(Callback):
    def state_dict(self) -> dict[str, Any]:
        return {"history": np.zeros(3)}


def _spoil(change: Callable[[Tensor], Tensor]) -> None:
    found = torch.load(LAST, weights_only=True)
    state = found["optimizer_states"][0]["state"][0]
    state["exp_avg_sq"] = change(state["exp_avg_sq"])
    torch.save(found, LAST)


def _strange() -> None:
    found = torch.load(LAST, weights_only=True)
    found["hyper_parameters"] |= {
        "_instantiator": "lightning.pytorch.cli.instantiate_module",
        "net": {"class_path": "strange.Net"},
    }
    torch.save(found, LAST)


_SAVES = ModelCheckpoint(".", save_last=True)
_SIN = MLP(1, 1, [8], activation="sin")
_STEP = partial(StepLR, step_size=10)
GO_ON = partial(fit, ckpt_path=LAST)
LOAD = partial(Decay.load_from_checkpoint, LAST)
BY_COMMAND = command(f"--ckpt_path={LAST}")

CASES = [
    # The configuration.
    Case("a misspelt option of the Trainer", command("--trainer.max_stps=3")),
    Case("a misspelt option of the problem", command("--model.steps_per_cal=3")),
    Case("a misspelt option of the optimizer", command("--model.optimizer=AutoAdamW", "--model.optimizer.lrr=3")),
    Case("a misspelt section of the YAML", command(yaml="modle:\n  class_path: Helmholtz2D\n")),
    Case("a YAML that cannot be read", command(yaml="model: {class_path: Helmholtz2D\n")),
    Case("a YAML that is not there", lambda: main(["fit", "--config=none.yaml"])),
    Case("a misspelt problem", command("--model=Helmholz2D")),
    Case("a problem in a file that is not there", command("--model=no_such_file.Poisson")),
    Case("a misspelt optimizer", command("--model.optimizer=AutoAdamWW")),
    Case("a misspelt sampler", command("--data.sampler=Sobl")),
    Case("a word for a number", command("--data.points.interior=many")),
    Case("no points named", command(yaml="model:\n  class_path: Helmholtz2D\n")),
    Case("`steps_per_call` 0", command("--model.steps_per_call=0")),
    Case("a mode that torch does not compile in", command("--model.compile=fast")),
    Case("`cuda_graph`, which was removed", command("--model.cuda_graph=true")),
    Case("`DeviceUniform`, which was removed", command("--data.sampler=DeviceUniform")),
    Case("a negative number of points", command("--data.points.interior=-3")),
    Case("precision 16-mixed", command("--trainer.precision=16-mixed")),
    Case("`ckpt_path` of no file", command("--ckpt_path=none.ckpt")),
    Case("a domain with low > high", lambda: Interval(1.0, 0.0)),
    Case("a problem without a domain", lambda: _NoDomain()),
    Case("an optimizer in place of its class", lambda: Decay(optimizer=torch.optim.Adam([torch.zeros(1)]))),
    Case("a negative weight of a term", options(weights={"pde": -1.0})),
    Case("a negative `gradient_clip_val`", options(gradient_clip_val=-1.0)),
    Case("an empty mapping of points", lambda: fit(counts={})),
    Case("an unknown activation", lambda: MLP(1, 1, activation="relu")),
    # Settings that do not fit together.
    Case("`gradient_clip_val` of the Trainer", lambda: fit(gradient_clip_val=1.0)),
    Case("`accumulate_grad_batches` of the Trainer", lambda: fit(accumulate_grad_batches=2)),
    Case("`BatchSizeFinder`", lambda: fit(callbacks=[BatchSizeFinder()])),
    Case("precision bf16-true", lambda: fit(precision="bf16-true")),
    Case("LBFGS", options(optimizer=torch.optim.LBFGS)),
    Case("`finish` with more steps than the run", options(finish=LevenbergMarquardt(9))),
    Case("`finish` without `max_steps`", lambda: fit(Decay(finish=LBFGS(2)), max_steps=-1, max_epochs=1)),
    Case("`finish` in bf16", lambda: fit(Decay(finish=LBFGS(2)), precision="bf16-mixed")),
    Case("`finish` with RoPINN", options(finish=LevenbergMarquardt(2), variant=RoPINN())),
    Case("`finish` with dropout", options(finish=LBFGS(2), net=_layers(nn.Tanh(), nn.Dropout(0.5)))),
    Case("LevenbergMarquardt where a class gives `losses`", lambda: fit(_Losses(finish=LevenbergMarquardt(2)))),
    Case("a balancer and `finish`", options(finish=LBFGS(2), optimizer=torch.optim.Adam, balancer=NTK())),
    Case(
        "a network too large for the memory of `finish`",
        options(finish=SelfScaledBroyden(2, memory=1e6), net=MLP(1, 1, [200, 200])),
    ),
    Case("an unknown term in `stop_at_noise`", options(stop_at_noise={"dta": 0.01})),
    Case("a negative learning rate", options(optimizer=partial(AutoAdamW, lr=-1.0))),
    Case("`combine` with a weight too many", options(optimizer=partial(AutoAdamW, combine=[1.0, 1.0, 1.0]))),
    Case("an aggregator before AutoAdamW", options(balancer=ConFIG())),
    Case("a weighting before AutoAdamW", options(balancer=NTK())),
    Case("NTK with GPINN", options(optimizer=torch.optim.Adam, balancer=NTK(), variant=GPINN())),
    Case("Causal without time", options(variant=Causal())),
    Case("`resample_every` with RBA", lambda: fit(Decay(variant=RBA()), resample_every=2)),
    Case("the weight of an unknown term", options(weights={"pdee": 1.0})),
    Case("an unknown term in `measured`", lambda: fit(_Measured())),
    Case("a part that the domain has not", lambda: fit(counts={**COUNTS, "initial": 4})),
    Case("a part that `residuals` needs left out", lambda: fit(counts={"interior": 4})),
    Case("fewer points than faces", lambda: fit(counts={"interior": 4, "boundary": 1})),
    Case("points that are no square for Grid", command("--data.sampler=Grid", "--data.points.interior=5")),
    Case(
        "a schedule that watches an unknown value",
        lambda: fit(Decay(scheduler=ReduceLROnPlateau, monitor="val/none"), steps_per_epoch=2),
    ),
    # The network.
    Case("a network of two inputs for one coordinate", options(net=MLP(2, 1, [8]))),
    Case("a network of three outputs for one field", options(net=MLP(1, 3, [8]))),
    Case("BatchNorm", options(net=_layers(nn.BatchNorm1d(8), nn.Tanh()))),
    Case("second derivatives of a ReLU network", residuals(_second, net=_layers(nn.ReLU()), check_exact=False)),
    # The residuals.
    Case("a residual of shape (b, b)", pde(lambda _, __, pde: pde + pde[:, 0])),
    Case("a residual that is one number", pde(lambda _, __, pde: pde.mean())),
    Case("a detached residual", pde(lambda _, __, pde: pde.detach())),
    Case("no mapping of residuals", residuals(lambda _, __, right: right["pde"])),
    Case("a residual with NaN", pde(lambda _, x, pde: pde + (x - 2).sqrt())),
    Case("a derivative by an unknown coordinate", pde(lambda module, x, _: module.partials(x, "t")[0])),
    Case("complex residuals", pde(lambda _, __, pde: pde * 1j)),
    Case("a wrong sign in a residual", pde(lambda module, x, pde: pde - 2 * module(x))),
    Case("a wrong exact solution", lambda: fit(_WrongExact())),
    Case("an exact solution of the wrong shape", lambda: fit(_WrongExactShape())),
    Case("an exact solution without derivatives", lambda: fit(_DetachedExact())),
    # A reference solution.
    Case("a reference in other units", reference(x=np.linspace(0, 1000, 9), u=np.ones(9))),
    Case("a reference without the column of a field", reference(x=np.linspace(0, 1, 9), usol=np.ones(9))),
    Case("a reference of a field that the problem has not", reference(targets=["p"])),
    Case("a reference with rows that lack a number", reference(x=np.linspace(0, 1, 9), u=[np.nan] + [1.0] * 8)),
    Case("a reference with infinite numbers", reference(x=np.linspace(0, 1, 9), u=[np.inf] * 9)),
    # A loader of one's own.
    Case("a batch that is stacked", loader(interior=torch.rand(2, 16, 1))),
    Case("a batch of points without a second dimension", loader(interior=torch.rand(16))),
    Case("a batch with NaN", loader(interior=torch.full((16, 1), torch.nan))),
    Case("a batch of complex numbers", loader(interior=torch.zeros(16, 1, dtype=torch.complex64))),
    # In training.
    Case("NaN in mid-training", residuals(_nan)),
    Case("a term that vanishes in mid-training", residuals(_fewer)),
    Case("a learning rate of 1e30", options(optimizer=partial(torch.optim.SGD, lr=1e30))),
    # Checkpoints.
    Case("a truncated checkpoint, by the command", checkpoint(_cut, BY_COMMAND)),
    Case("a truncated checkpoint, in Python", checkpoint(_cut, GO_ON)),
    Case("an empty checkpoint", checkpoint(lambda: LAST.write_bytes(b""), LOAD)),
    Case("weights in place of a checkpoint", checkpoint(lambda: torch.save(Decay().state_dict(), LAST), LOAD)),
    Case("pickled objects", checkpoint(lambda: LAST.write_bytes(pickle.dumps(_Harmful(), 2)), LOAD)),
    Case("a checkpoint of another problem", checkpoint(_nothing, partial(_Other.load_from_checkpoint, LAST))),
    Case("a checkpoint of another network", checkpoint(_nothing, partial(LOAD, net=MLP(1, 1, [5])))),
    Case("a checkpoint with other points", checkpoint(_nothing, partial(GO_ON, counts={**COUNTS, "interior": 8}))),
    Case("a checkpoint with another sampler", checkpoint(_nothing, partial(GO_ON, sampler=Sobol()))),
    Case("a checkpoint of another activation", checkpoint(_nothing, partial(LOAD, net=_SIN))),
    Case("a resume with another optimizer", checkpoint(_nothing, lambda: GO_ON(Decay(optimizer=torch.optim.SGD)))),
    Case("a resume with a schedule that was not there", checkpoint(_nothing, lambda: GO_ON(Decay(scheduler=_STEP)))),
    Case("a resume with another `resample_every`", checkpoint(_nothing, partial(GO_ON, resample_every=2))),
    Case("second moments of another shape", checkpoint(partial(_spoil, lambda _: torch.ones(7)), GO_ON)),
    Case("moments with NaN", checkpoint(partial(_spoil, lambda v: v * torch.nan), GO_ON)),
    Case("a class of a strange module in a checkpoint", checkpoint(_strange, LOAD)),
    Case("an array in the state of a callback", lambda: fit(callbacks=[_Arrays(), _SAVES], enable_checkpointing=True)),
    Case("`--ckpt_path last` without an earlier run", command("--ckpt_path=last")),
    Case("`--ckpt_path best`", command("--ckpt_path=best")),
]
