"""The command line of `lightning-autobalance new`."""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from lightning_autobalance.scaffold.files import write
from lightning_autobalance.scaffold.measurements import read_columns

FLAGS = {
    "stationary": "a problem without time: Poisson's equation (default)",
    "time": "a time-dependent problem: the heat equation",
    "geometry": "a shape with a hole, and a flux across its edge: Poisson's equation",
    "parametric": "a parameter of the equation as an input: the heat equation",
}


def main(args: list[str]) -> None:
    """Write the files of a new problem and print how to train it; on an error, exit with status 2.

    Args:
        args: Command-line arguments after ``new``.
    """
    parser = _parser()
    options = parser.parse_args(args)
    try:
        files = _write(options)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    module, config, test = (file.name for file in files)
    lines = [f"wrote {file}" for file in files]
    if options.folder.resolve() != Path.cwd():
        lines.append(f"go there:     cd {options.folder}")
    lines += [
        f"train it:     lightning-autobalance fit --config {config}",
        f"test it:      pytest {test}",
        f"then make it yours: the numbered comments in {module} say where.",
    ]
    sys.stdout.write("\n".join(lines) + "\n")


def _write(options: Namespace) -> tuple[Path, Path, Path]:
    if options.measurements is None:
        return write(options.name, options.folder, _kind(options.kind, options.inverse))
    if options.inverse:
        raise ValueError("`--inverse` must be left out with `--measurements`, which has an unknown coefficient, too.")
    found = read_columns(options.measurements)
    return write(options.name, options.folder, found.kind, found.texts(options.folder))


def _kind(kind: str, inverse: bool) -> str:
    if inverse and kind not in ("stationary", "time"):
        raise ValueError(f"`--inverse` must go with --stationary or --time, got --{kind}.")
    return f"{kind}_inverse" if inverse else kind


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="lightning-autobalance new",
        description="Write <name>.py, <name>.yaml and test_<name>.py: a small problem with its exact solution, which "
        "trains as it is and is meant to be edited.",
    )
    parser.add_argument("name", help="name of the module, such as my_pde; its class is called MyPde")
    kind = parser.add_mutually_exclusive_group()
    for flag, purpose in FLAGS.items():
        kind.add_argument(f"--{flag}", dest="kind", action="store_const", const=flag, help=purpose)
    kind.add_argument(
        "--measurements",
        type=Path,
        metavar="FILE",
        help="measured values, .csv or .npz: columns x, y, z, t are where, all others are what; a problem with them",
    )
    parser.set_defaults(kind="stationary")
    parser.add_argument("--inverse", action="store_true", help="find an unknown coefficient from measurements")
    parser.add_argument("--folder", type=Path, default=Path(), help="where to write, the current folder by default")
    return parser
