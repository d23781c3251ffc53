"""Which runs the figures show."""

from pathlib import Path

from benchmarks.reproduction.paper import OURS, PLAIN

Row = tuple[str, str]  # variant and method
FOLDER = Path("results/fields")
METHODS: tuple[Row, ...] = (("plain", OURS), ("plain", "dwa"), ("plain", "imtl_g"))
VARIANTS: tuple[Row, ...] = (("rba", OURS), ("rba", PLAIN), ("ropinn", OURS), ("ropinn", PLAIN))
ROWS: dict[str, tuple[str, tuple[Row, ...]]] = {
    "figure4": ("reaction_diffusion_1d", METHODS),
    "figure5": ("helmholtz_2d", METHODS),
    "figure6": ("poisson_inverse_2d", METHODS),
    "figure7": ("reaction_diffusion_1d", VARIANTS),
    "figure8": ("helmholtz_2d", VARIANTS),
    "figure9": ("poisson_inverse_2d", VARIANTS),
}


def best_of(runs: Path, name: str) -> Path | None:
    """The longest finished run of a name.

    Args:
        runs: Folder of the sweeps' runs.
        name: Problem, variant, method and seed, joined by dashes.
    """
    found = [run for run in runs.glob(f"{name}-*") if (run / "checkpoints" / "last.ckpt").exists()]
    return max(found, key=lambda run: int(run.name.rsplit("-", 1)[1]), default=None)
