"""The command line of `lightning-autobalance advise`."""

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lightning_autobalance.advice.trials import Command

DESCRIPTION = (
    "Try first phases, weights and moments of the switch on your problem, for a share of the time that a training may "
    "take, and write the best one as YAML. All other options are those of `fit`, such as --config my_pde.yaml."
)


def main(args: list[str], command: "Command") -> None:
    """Look at a problem, try recipes, print the trials, write the best recipe; on an error, exit with status 2.

    Args:
        args: The words after ``advise`` on the command line.
        command: Called with the command line of `fit`.
    """
    from lightning.fabric.utilities.exceptions import MisconfigurationException

    from lightning_autobalance.advice.rounds import advise

    parser = _parser()
    given, line = parser.parse_known_args(args)
    if mistake := _mistake(given):
        parser.error(mistake)
    try:
        advise(line, command, budget=given.budget, share=given.share, out=given.out)
    except MisconfigurationException as error:
        parser.error(str(error))


def _mistake(given: Namespace) -> str:
    if given.budget <= 0:
        return f"`--budget` must be above 0 seconds, got {given.budget}."
    if not 0 < given.share < 1:
        return f"`--share` must be between 0 and 1, got {given.share}."
    if given.out.exists():
        return f"`--out` must be a new file, got {given.out}, which exists. Remove it, or name another."
    if not (folder := given.out.absolute().parent).is_dir() or not os.access(folder, os.W_OK):
        return f"`--out` must be in a folder that can be written, got {given.out}. Create the folder, or name another."
    return ""


def _parser() -> ArgumentParser:
    parser = ArgumentParser(prog="lightning-autobalance advise", description=DESCRIPTION, allow_abbrev=False)
    parser.add_argument("--budget", type=float, default=600.0, help="CPU seconds that the training may take (600)")
    parser.add_argument("--share", type=float, default=0.25, help="part of it that the trials take beforehand (0.25)")
    parser.add_argument("--out", type=Path, default=Path("advised.yaml"), help="file to write (advised.yaml)")
    return parser
