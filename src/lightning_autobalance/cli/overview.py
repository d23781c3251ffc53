"""`lightning-autobalance --help`: all commands at a glance, without importing Lightning."""

from textwrap import fill

COMMANDS = {
    "new NAME": "write the files of a new problem of your own",
    "fit": "train: --config FILE or @NAME, then any option, such as --trainer.max_steps 5000",
    "validate": "print the errors of a checkpoint at the evaluation points",
    "test": "the same, with `test/` before the names; neither writes fields",
    "predict": "write the fields of a checkpoint into a table, predictions.npz",
    "sweep FILE": "train many configurations, and make a table of them",
    "advise": "find optimizer, weights and finish for a problem by short trials",
    "configs": "list the configurations of the package, for --config @NAME; `configs copy NAME` writes one",
}
TEXT = """usage: {program} COMMAND [options]

Physics-informed neural networks with PyTorch Lightning.

commands:
{commands}

  --version         print the version

`{program} COMMAND --help` shows its options,
`{program} fit --config FILE --print_config` their values.
"""


def overview(program: str) -> str:
    """The text.

    Args:
        program: The name by which it was called.
    """
    rows = [fill(f"  {name:<16}  {text}", 78, subsequent_indent=20 * " ") for name, text in COMMANDS.items()]
    return TEXT.format(program=program, commands="\n".join(rows))
