"""The commands `lightning-autobalance` and `lightning`."""

import os
import sys
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from lightning_autobalance import __version__, scaffold
from lightning_autobalance.cli import packaged_configs
from lightning_autobalance.cli.overview import overview

SUBCOMMANDS = ("new", "sweep", "advise", "configs", "reproduce", "fit", "validate", "test", "predict")


def main(args: list[str] | None = None) -> Any:
    """Run the subcommand that the command line begins with.

    Args:
        args: The command line without the program's name; that of the process by default.

    Returns:
        Of `fit`, `validate`, `test` and `predict` with `args` given, the `AutoBalanceCLI` with its ``trainer`` and
        ``model``; None otherwise, which is what a command must return to end with status 0.
    """
    line = sys.argv[1:] if args is None else args
    if line in ([], ["--help"], ["-h"]):
        sys.stdout.write(overview(Path(sys.argv[0]).name.replace("__main__.py", "python -m lightning_autobalance")))
        if not line:
            raise SystemExit(2)  # a command is missing
        return None
    if line == ["--version"]:  # without importing Lightning, which takes seconds
        sys.stdout.write(f"lightning-autobalance {__version__}\n")
        return None
    if line[:1] == ["new"]:
        scaffold.main(line[1:])
        return None
    if line[:1] == ["configs"]:
        packaged_configs.main(line[1:])
        return None
    if line[:1] == ["sweep"]:
        from lightning_autobalance import sweeps

        sweeps.main(line[1:], run_cli)
        return None
    if line[:1] == ["advise"]:
        from lightning_autobalance import advice

        _find_modules_here()
        advice.main(line[1:], run_cli)
        return None
    if line[:1] == ["reproduce"]:
        command = " ".join(["python -m benchmarks", *line])
        sys.stderr.write(f"`reproduce` is not part of the package: run `{command}` in a clone of the repository.\n")
        raise SystemExit(2)
    _find_modules_here()
    done = run_cli(args)
    return done if args is not None else None


def _find_modules_here() -> None:
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # so that `class_path: my_pde.Poisson2D` finds my_pde.py beside the YAML


def run_cli(args: list[str] | None = None) -> Any:
    """Call :func:`lightning_autobalance.cli.lightning_cli.run`, importing Lightning only then.

    Args:
        args: The command line without the program's name; that of the process by default.
    """
    from lightning_autobalance.cli.lightning_cli import run

    return run(args)


def lightning(args: list[str] | None = None) -> Any:
    """The command `lightning`: ours for our subcommands, else that of lightning-sdk if it is installed.

    Args:
        args: The command line without the program's name; that of the process by default.

    Returns:
        As `main`.
    """
    line = sys.argv[1:] if args is None else args
    if not line or line[0] not in SUBCOMMANDS:
        for distribution in distributions():
            for script in distribution.entry_points.select(group="console_scripts", name="lightning"):
                if not script.value.startswith("lightning_autobalance"):
                    script.load()()
                    return None
    return main(args)
