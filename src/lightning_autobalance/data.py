"""Collocation points as a Lightning data module: seeded, resumable, on the module's device."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import LightningDataModule
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities import rank_zero_warn
from numpy.typing import NDArray
from torch import Tensor

from lightning_autobalance.checks import check_reference
from lightning_autobalance.module import PINNModule
from lightning_autobalance.points import (
    Domain,
    MeasuredParts,
    Measurements,
    Sampler,
    Uniform,
    read_probes,
    rounded,
    sample,
    shared_out,
)
from lightning_autobalance.training.batches import EvaluationBatch
from lightning_autobalance.utils.arguments import check_at_least
from lightning_autobalance.utils.distributed import own_rows, single_process
from lightning_autobalance.utils.plain import plain

HELD_OUT = 2**31 - 1  # number of the draw for validation without an exact solution


class CollocationPoints(LightningDataModule):
    """Draws the points of every part of the module's domain.

    The points are a pure function of the seed, the part and the number of the draw, which follows from the trainer's
    ``global_step``: a resumed run has the points of the uninterrupted one.

    Args:
        points: Number of points by part of the domain, such as ``{interior: 2000, boundary: 400}``. They are
            distributed evenly over the faces of a part.
        sampler: How points are placed in a part: ``Uniform``, ``Grid``, ``LatinHypercube`` or ``Sobol``.
            Uniform by default.
        resample_every: Optimizer steps between two draws of points; 0 keeps the first draw, which is the safer choice:
            with points that change in every step, some runs stall at the zero function.
        seed: Seed of the points. By default the seed given to ``seed_everything`` (``torch.initial_seed()``).
        steps_per_epoch: Optimizer steps between two validations. Every epoch has a cost in Lightning: keep it large.
        eval_points: Approximate size of the evaluation grid: ``round(eval_points ** (1 / d))`` points along each axis.
        eval_batch_size: Number of grid points evaluated at once.
        predict_points: A file with a column per coordinate, ``.csv``, ``.npz`` or ``.parquet``: ``predict`` and the
            predictions at the end of ``fit`` are at its rows. By default they are on the evaluation grid.
        measurements: `Measurements`, or their options, such as ``{file: wake.csv, inputs: [x, y, t], targets: [u, v],
            batch: 1000, noise_std: 0.01}``. They are what ``residuals`` finds as ``points["data"]``, (b, d), and
            ``points["data_targets"]``, (b, k); several have names. A finish takes all rows in place of batches.

    Raises:
        ValueError: If a count is not positive or ``resample_every`` is negative.
    """

    def __init__(
        self,
        points: dict[str, int],
        sampler: Sampler | None = None,
        resample_every: int = 0,
        seed: int | None = None,
        steps_per_epoch: int = 1000,
        eval_points: int = 90_000,
        eval_batch_size: int = 90_000,
        predict_points: str | None = None,
        measurements: dict[str, Any] | Measurements | None = None,
    ) -> None:
        super().__init__()
        resample_every, seed, steps_per_epoch = plain((resample_every, seed, steps_per_epoch))
        eval_points, eval_batch_size = plain((eval_points, eval_batch_size))
        if not isinstance(points, Mapping) or not points:
            raise ValueError(
                f"`points` must give a number by part of the domain, such as {{interior: 1000}}, got {points}."
            )
        points = plain(dict(points))
        for part, count in points.items():
            if not isinstance(count, int) or count < 1:
                raise ValueError(f"`points` of {part!r} must be a whole number >= 1, got {count!r}.")
        if resample_every < 0:
            raise ValueError(f"`resample_every` must be >= 0 (0 never re-draws), got {resample_every}.")
        if seed is not None:
            check_at_least("seed", seed, 0)
        for name, value in {
            "steps_per_epoch": steps_per_epoch,
            "eval_points": eval_points,
            "eval_batch_size": eval_batch_size,
        }.items():
            check_at_least(name, value, 1)
        self.counts = points
        self.sampler = sampler if sampler is not None else Uniform()
        self.resample_every = resample_every
        self.seed = seed if seed is not None else torch.initial_seed()
        self.steps_per_epoch = steps_per_epoch
        self.eval_points = eval_points
        self.eval_batch_size = eval_batch_size
        self.predict_points = predict_points
        self._probes: NDArray[np.float64] | None = None
        self.measurements = MeasuredParts(measurements)
        self._draw = -1
        self._points: dict[str, Tensor] = {}  # of all processes
        self._own: dict[str, Tensor] = {}  # of this process

    def __repr__(self) -> str:
        given = {"sampler": self.sampler, "resample_every": self.resample_every, "seed": self.seed}
        return (
            f"{type(self).__name__}({self.counts}, {', '.join(f'{name}={value!r}' for name, value in given.items())})"
        )

    @property
    def module(self) -> PINNModule:
        """The module being trained, on whose domain the points are drawn."""
        module = self.trainer.lightning_module if self.trainer is not None else None
        if not isinstance(module, PINNModule):
            raise MisconfigurationException(
                f"`CollocationPoints` must be used with a `PINNModule`, got {type(module).__name__}. "
                "Give other modules their own dataloader."
            )
        return module

    def setup(self, stage: str) -> None:
        """Check the names of the parts and their numbers of points against the domain."""
        module, processes = self.module, self.trainer.world_size if self.trainer is not None else 1
        self.seed = self.trainer.strategy.broadcast(self.seed) if self.trainer is not None else self.seed
        if stage == "fit":  # they may be of another module; a checkpoint is loaded later
            self._draw, self._points = -1, {}
        self._own = {}
        if stage in ("fit", "predict"):  # a bad file is refused before anything is trained
            self._probes = self._read_probes(module.domain)
        try:
            for part, count in self.counts.items():
                empty = [n for _, n in shared_out(module.domain, part, count)].count(0)
                if empty:
                    faces = len(module.domain.faces(part))
                    raise ValueError(
                        f"`points` of {part!r} must be >= {faces}, one for each of its faces, got {count}: {empty} "
                        "face(s) without points would leave the solution free."
                    )
                if count < processes:
                    raise ValueError(f"`points` of {part!r} must be >= {processes}, one for each process, got {count}.")
            self.draw(module.domain, 0)
        except ValueError as error:
            raise MisconfigurationException(f"`data.points` must fit the domain and the sampler: {error}") from error
        if stage == "fit" or (stage != "predict" and not module.has_exact):
            self._read_measurements(module, processes)

    def _read_measurements(self, module: PINNModule, processes: int) -> None:
        try:
            notes = self.measurements.read(module.domain, module.fields, processes)
        except ValueError as error:
            raise MisconfigurationException(str(error)) from error
        for note in notes:
            rank_zero_warn(note)

    def draw(self, domain: Domain, number: int, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
        """Draw the points of every part.

        Args:
            domain: The domain to sample.
            number: Number of the draw, from 0.
            dtype: Floating point type of the points.

        Returns:
            The points by part, each (b, d), on the CPU.
        """
        return {
            part: torch.as_tensor(sample(domain, part, count, self.sampler, self.seed, number), dtype=dtype)
            for part, count in self.counts.items()
        }

    def points_at(self, step: int) -> dict[str, Tensor]:
        """This process's points of one optimizer step, on the module's device and of its dtype.

        Args:
            step: Number of optimizer steps taken before.

        Returns:
            The points by part, each (b, d).
        """
        module = self.module
        device, dtype = module.device, module.points_dtype
        number = step // self.resample_every if self.resample_every else 0
        if number != self._draw:
            self._points = self.draw(module.domain, number, dtype)
            self._draw, self._own = number, {}
        source = self._own or {part: own_rows(x) for part, x in self._points.items()}
        self._own = {part: x.to(device, dtype) for part, x in source.items()}
        whole = module.finish_phase.is_due(step, module.trainer)  # which minimises one function, not those of batches
        return {**self._own, **self.measurements.at(step, self.seed, device, dtype, whole=whole)}

    def held_out(self) -> dict[str, Tensor]:
        """Points not used in training, and the first batch of measurements, for all processes on the device."""
        module = self.module
        device, dtype = module.device, module.points_dtype
        drawn = {part: x.to(device) for part, x in self.draw(module.domain, HELD_OUT, dtype).items()}
        with single_process():
            return {**drawn, **self.measurements.at(0, self.seed, device, dtype)}

    def train_dataloader(self) -> "PointLoader":
        """One batch per optimizer step: the points of all parts by name."""
        return PointLoader(self)

    def val_dataloader(self) -> "EvalLoader":
        """The points of the reference; with an exact solution, the evaluation grid; or one batch of held-out points."""
        module = self.module
        if module.reference is not None:
            known = check_reference(module.reference)
            return EvalLoader(list(known.batches(module.compared, module.points_dtype, self.eval_batch_size)))
        if module.has_exact:
            return EvalLoader(torch.split(module.grid(self.eval_points), self.eval_batch_size))
        return EvalLoader([self.held_out()])

    def test_dataloader(self) -> "EvalLoader":
        """As for validation."""
        return self.val_dataloader()

    def predict_dataloader(self) -> "EvalLoader":
        """The points of `prediction_points`."""
        module = self.module
        x = rounded(module.domain, self.prediction_points(), module.points_dtype)
        return EvalLoader(torch.split(x, self.eval_batch_size))

    def prediction_points(self) -> NDArray[np.float64]:
        """Where the results of a run are written: the rows of the file ``predict_points``, or the evaluation grid.

        Returns:
            (n, d).
        """
        domain = self.module.domain
        if self.predict_points is not None and self._probes is None:
            self._probes = self._read_probes(domain)
        return domain.grid(self.eval_points) if self._probes is None else self._probes

    def _read_probes(self, domain: Domain) -> NDArray[np.float64] | None:
        if self.predict_points is None:
            return None
        try:
            return read_probes(self.predict_points, domain, "data.predict_points")
        except (ValueError, OSError, ImportError) as error:
            raise MisconfigurationException(str(error)) from error

    def state_dict(self) -> dict[str, Any]:
        """The seed and the current points, from which a resume is exact."""
        points = {part: x.cpu() for part, x in self._points.items()}
        sampler = type(self.sampler).__name__
        return {
            "seed": self.seed,
            "draw": self._draw,
            "counts": dict(self.counts),
            "sampler": sampler,
            "points": points,
            "measurements": self.measurements.state_dict(),
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Restore the points of a checkpoint when training is resumed.

        Raises:
            MisconfigurationException: If the checkpoint has other numbers of points or another sampler.
        """
        if self.trainer is not None and self.trainer.state.fn != TrainerFn.FITTING:
            return  # not needed for validation, test and prediction
        for name, mine in {"counts": self.counts, "sampler": type(self.sampler).__name__}.items():
            if state_dict[name] != mine:
                raise MisconfigurationException(
                    f"`{'points' if name == 'counts' else name}` must be as in the checkpoint, {state_dict[name]}, got "
                    f"{mine}. Change it back, or start a new run without `ckpt_path`."
                )
        try:
            self.measurements.check_state(state_dict.get("measurements", {}))
        except ValueError as error:
            raise MisconfigurationException(
                f"{error} Change it back, or start a new run without `ckpt_path`."
            ) from error
        if state_dict["seed"] != self.seed:
            rank_zero_warn(
                f"`seed` of the points is {self.seed}; the run goes on with the checkpoint's, {state_dict['seed']}."
            )
        self.seed = state_dict["seed"]
        self._draw = state_dict["draw"]
        self._points, self._own = dict(state_dict["points"]), {}


class PointLoader:
    """An epoch of training batches, one per optimizer step."""

    is_on_device = True

    def __init__(self, data: CollocationPoints) -> None:
        self._data = data

    def __len__(self) -> int:
        return self._data.steps_per_epoch

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        trainer = self._data.module.trainer
        for _ in range(len(self)):
            yield self._data.points_at(trainer.global_step)

    def state_dict(self) -> dict[str, Any]:
        """Empty: ``global_step`` gives the position. Tells Lightning that resuming within an epoch is exact."""
        return {}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Do nothing."""


class EvalLoader:
    """A list of batches; Lightning would take a plain list for several dataloaders.

    Args:
        batches: Each a tensor of points, (b, d), or points by part, or points and the fields there.
    """

    def __init__(self, batches: Sequence[EvaluationBatch]) -> None:
        self._batches = batches

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[EvaluationBatch]:
        yield from self._batches
