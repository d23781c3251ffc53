"""The results of a run as files that other programs read."""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_info, rank_zero_only, rank_zero_warn
from numpy.typing import NDArray

from lightning_autobalance.callbacks.figures import run_folder
from lightning_autobalance.callbacks.mesh_output import space_of, write_vtu
from lightning_autobalance.callbacks.table_output import write_csv, write_npz
from lightning_autobalance.data import CollocationPoints
from lightning_autobalance.module import PINNModule
from lightning_autobalance.points import rounded
from lightning_autobalance.training.evaluation import split_name

FORMATS = ("npz", "csv", "vtu")
GRID = 90_000  # points of the evaluation grid, where the data module has none


class Predictions(Callback):
    """Writes the fields as ``predictions.npz`` into the run's folder, at the end of ``fit`` and in ``predict``.

    There is a column per coordinate ("x") and per field ("u"), and with an exact solution one for each of its fields
    ("u_exact"; interpolated from a reference, "u_reference"), all of one length. The points are those of
    ``CollocationPoints.prediction_points``: the evaluation grid, or the rows of the file ``data.predict_points``. The
    numbers are of the module's floating point type. Training is not touched; of several processes, the first writes.

    ``vtu`` is for ParaView and others: cells of the grid where the domain contains them, so that a hole stays a hole;
    points without cells for a file or a cloud. In time, there is a file for each of up to 50 instants and
    ``predictions.pvd``, which lists them; parameters are at the middle of the grid. It needs meshio (extra ``export``).

    Args:
        formats: Which files: ``npz``, ``csv``, ``vtu``. None is written where it is empty.
        names: Fields ("u") and derivatives ("u_x", "u_xx") to write; all fields by default.

    Raises:
        ValueError: If a format is not known.
        ImportError: If ``vtu`` is wanted without meshio.
    """

    def __init__(self, formats: Sequence[str] = ("npz",), names: Sequence[str] | None = None) -> None:
        unknown = [each for each in formats if each not in FORMATS]
        if unknown:
            raise ValueError(f"`formats` must be of {', '.join(FORMATS)}, got {unknown[0]!r}.")
        if "vtu" in formats and find_spec("meshio") is None:
            raise ImportError(
                "`formats` with vtu needs meshio, got none: run `pip install lightning-autobalance[export]`."
            )
        self.formats = tuple(formats)
        self.names = None if names is None else tuple(names)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:  # noqa: ARG002
        """Refuse before training what could not be written after it."""
        if not isinstance(pl_module, PINNModule) or not self.formats:
            return
        if "vtu" in self.formats and len(space_of(pl_module.domain).bounds) > 3:
            raise MisconfigurationException(
                "`formats` must be without vtu for more than 3 coordinates in space, got "
                f"{', '.join(pl_module.domain.coordinates)}."
            )
        try:
            for name in self.names or ():
                split_name(name, pl_module.fields)
        except ValueError as error:
            raise MisconfigurationException(f"{error}") from error

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the fields at the end of training."""
        self._write(trainer, pl_module)

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the fields, unless the data are the user's own, whose points are not known here."""
        if isinstance(getattr(trainer, "datamodule", None), CollocationPoints):
            for path in self._write(trainer, pl_module) or ():
                rank_zero_info(f"Predictions: {path}")

    @rank_zero_only
    def _write(self, trainer: Trainer, module: LightningModule) -> list[Path]:
        if not isinstance(module, PINNModule) or trainer.fast_dev_run or not self.formats:  # type: ignore[attr-defined]
            return []
        data: Any = getattr(trainer, "datamodule", None)
        on_file = isinstance(data, CollocationPoints) and data.predict_points is not None
        points = data.prediction_points() if isinstance(data, CollocationPoints) else module.domain.grid(GRID)
        try:
            return self._write_files(run_folder(trainer), module, points, on_grid=not on_file)
        except (OSError, NameTakenError) as error:
            rank_zero_warn(f"The predictions must be written to {run_folder(trainer)}, got: {error} The run goes on.")
            return []

    def _write_files(
        self, folder: Path, module: PINNModule, points: NDArray[np.float64], *, on_grid: bool
    ) -> list[Path]:
        columns = predictions(module, points, self.names)
        folder.mkdir(parents=True, exist_ok=True)
        paths = []
        for kind, write in {"npz": write_npz, "csv": write_csv}.items():
            if kind in self.formats:
                paths.append(write(folder / f"predictions.{kind}", columns))
        if "vtu" in self.formats:
            paths.append(write_vtu(folder / "predictions.vtu", module.domain, columns, on_grid=on_grid))
        return paths


class NameTakenError(ValueError):
    """A field has the name of a coordinate."""


def predictions(
    module: PINNModule, points: NDArray[np.float64], names: Sequence[str] | None = None
) -> Mapping[str, NDArray[Any]]:
    """A table of coordinates, fields and exact fields.

    Args:
        module: Gives the fields.
        points: (n, d), float64.
        names: Fields and derivatives; all fields by default.

    Returns:
        By name, (n,) each. The exact solution is NaN outside the domain, a reference where it cannot be interpolated.

    Raises:
        NameTakenError: If a field has the name of a coordinate.
    """
    domain = module.domain
    x = rounded(domain, points, module.points_dtype)
    table: dict[str, NDArray[Any]] = {name: points[:, i].copy() for i, name in enumerate(domain.coordinates)}
    found = module.evaluate(x, *(module.fields if names is None else names))
    if module.reference is not None:
        columns = zip(module.reference.fields, module.reference.values.T, strict=True)
        known = {f"{field}_reference": module.reference.between(u, points) for field, u in columns}
        found |= {name: column for name, column in known.items() if not np.isnan(column).all()}
    elif module.has_exact:
        found |= _exact(module, x, domain.contains(points))
    taken = [name for name in found if name in table]
    if taken:
        raise NameTakenError(f"the field {taken[0]!r} has the name of a coordinate.")
    return table | found


def _exact(module: PINNModule, x: torch.Tensor, inside: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
    with torch.no_grad():
        found = module.exact(x[torch.from_numpy(inside)].to(module.device)).cpu().numpy()
    columns = np.full((len(x), len(module.fields)), np.nan, dtype=found.dtype)
    columns[inside] = found
    return {f"{field}_exact": columns[:, i].copy() for i, field in enumerate(module.fields)}
