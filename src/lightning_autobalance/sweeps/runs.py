"""`Run`: one training of a sweep."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lightning_autobalance.sweeps.results_file import read
from lightning_autobalance.sweeps.sources import own_sources

WORK = Path("runs/bench")  # checkpoints and logs of unfinished runs; a restarted sweep resumes from them


@dataclass(frozen=True)
class Run:
    """One training: a stack of configurations and a seed.

    Args:
        problem: Name in the results, such as ``helmholtz_2d``.
        method: Name in the results, such as ``auto_adamw``.
        seed: Of the weights, the points and the measurements.
        iterations: Optimizer steps.
        configs: YAML files, later ones override earlier ones.
        options: Further command line options.
        variant: Name in the results.
        work: Holds the folders of unfinished runs.
    """

    problem: str
    method: str
    seed: int
    iterations: int
    configs: tuple[str, ...]
    options: tuple[str, ...] = ()
    variant: str = "plain"
    work: Path = WORK

    @property
    def key(self) -> tuple[str, str, str, int, int]:
        """What identifies a run in a results file."""
        return self.problem, self.variant, self.method, self.seed, self.iterations

    @property
    def name(self) -> str:
        """The key in one word, another one for every key: a hyphen within a name is doubled."""
        return "-".join(str(part).replace("-", "--") for part in self.key)

    @property
    def folder(self) -> Path:
        """Of its checkpoints and logs."""
        return self.work / self.name


def missing(runs: Iterable[Run], path: Path) -> list[Run]:
    """Those of the runs that a results file does not hold yet."""
    done = {(r["problem"], r["variant"], r["method"], r["seed"], r["iterations"]) for r in read(path)}
    return [run for run in runs if run.key not in done]


def claim(run: Run) -> None:
    """Note the run's configuration in its folder, so that no other configuration resumes from its checkpoint.

    The source files of the user's own classes belong to the configuration.

    Args:
        run: About to be trained.

    Raises:
        ValueError: If the folder holds the checkpoint of another configuration.
    """
    files = [*map(Path, run.configs), *own_sources(run.configs, run.options)]
    texts = [*(file.read_bytes() for file in files), *(option.encode() for option in run.options)]
    found = hashlib.sha256(b"\0".join(texts)).hexdigest()
    note = run.folder / "configuration.sha256"
    if note.exists() and note.read_text() != found and any(run.folder.rglob("*.ckpt")):
        raise ValueError(
            f"`{run.folder}` must hold a run of the same configuration, got the checkpoint of another one. "
            "Delete the folder, or give the changed configuration (or Python file) another name."
        )
    run.folder.mkdir(parents=True, exist_ok=True)
    note.write_text(found)
