"""The command line of `sweep`; neither torch nor Lightning is imported before a worker trains."""

from argparse import ArgumentParser
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lightning_autobalance.sweeps.training import Command


def main(args: list[str], command: "Command") -> None:
    """Train all runs that a YAML file describes; a mistake in it ends with exit status 2, a failed run with 1.

    Args:
        args: The words after ``sweep`` on the command line.
        command: Called in a worker with the command line of `fit`; can be pickled.
    """
    from lightning_autobalance.sweeps.engine import Pool
    from lightning_autobalance.sweeps.product import plan
    from lightning_autobalance.sweeps.sweep import options, sweep_by

    parser = ArgumentParser(
        prog="lightning-autobalance sweep",
        description="Train every combination of the problems, variants, methods and seeds in a YAML file. Results are "
        "appended to a file of JSON lines; what is in it is not trained again.",
    )
    parser.add_argument("sweep", type=Path, help="a YAML file with out, iterations, problems, methods, variants, seeds")
    given = options(parser).parse_args(args)
    try:
        Pool(given.workers, given.backend, given.scheduler)
        found = plan(given.sweep)
    except (ValueError, OSError, ModuleNotFoundError) as error:
        parser.error(str(error))
    sweep_by(given, found.runs, found.out, command)
