"""`python -m benchmarks COMMAND ...`, from the root of a clone: how every number in the README and the docs is made."""

import sys
from importlib import import_module

from rich.console import Console

COMMANDS = {  # name -> module with `main(args)`, purpose
    "reproduce": ("reproduction.command", "the paper's tables and figures: train what is missing, write the report"),
    "main_job": ("main_job", "train AutoAdamW and AdamW on the paper's problems, three seeds"),
    "table1": ("table1", "train the balancing methods of the paper's Table 1"),
    "table2": ("table2", "train the variants of the paper's Table 2"),
    "accuracy": ("accuracy", "errors at equal CPU time, with and without a finish"),
    "accuracy_page": ("accuracy_page", "rewrite the page, the figure and the README's numbers of `accuracy`"),
    "race": ("race.command", "errors over CPU time on PINNacle's problems, beside DeepXDE and PINA"),
    "race_page": ("race.page", "rewrite the page and the figures of `race`"),
    "gallery": ("gallery", "rewrite the page of all ready problems, and draw their pictures"),
    "finish_cost": ("finish_cost", "cost of a step of Levenberg-Marquardt, and its gain on a large problem"),
    "hessian": ("hessian", "Hessian spectra for the paper's figure 1"),
    "fields": ("fields", "solutions of finished runs, for the heatmaps of the report"),
    "peers": ("peers.command", "time and memory of a training step beside PINA, DeepXDE, ConFIG and TorchJD"),
    "method_cost": ("method_cost", "cost of a step of every method, relative to AdamW"),
    "variant_cost": ("variant_cost", "cost of a step of every variant, relative to the plain PINN"),
    "optimizer_step": ("optimizer_step", "cost of AutoAdamW's step, relative to torch's AdamW"),
    "loop_cost": ("loop_cost", "overhead of `fit` over a bare torch loop"),
    "ddp_cost": ("ddp_cost", "cost of a step of two processes, relative to one"),
    "compile_cost": ("compile_cost", "what compiling costs, and after how many steps it is earned back"),
    "allocator_cost": ("allocator_cost", "time saved by keeping freed memory"),
    "derivatives_speed": ("derivatives_speed", "Taylor mode against nested reverse mode"),
    "bad_inputs": ("bad_inputs", "wrong inputs: when each is noticed and what is said"),
    "references": ("references.command", "reference solutions of the examples, by numpy and scipy"),
    "quickstart": ("quickstart", "run the quickstart page and keep its output"),
    "report": ("report", "rewrite the table of the first-order methods, and the README's picture"),
    "docs": ("docs", "rewrite the numbers in the docs from the results"),
}


def usage() -> str:
    """The list of commands."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {purpose}" for name, (_, purpose) in COMMANDS.items()]
    return "\n".join(["usage: python -m benchmarks COMMAND [OPTION ...]", "", *lines])


def main(args: list[str]) -> None:
    """Run the command that the command line names; only its own module is imported.

    Args:
        args: Name of the command and its options.
    """
    if args[:1] in (["--help"], ["-h"]):
        Console().print(usage(), markup=False, highlight=False, soft_wrap=True)
        return
    if not args or args[0] not in COMMANDS:
        found = f"got `{args[0]}`" if args else "got none"
        sys.stderr.write(f"{usage()}\n\nerror: `COMMAND` must be one of those above, {found}.\n")
        raise SystemExit(2)
    import_module(f"benchmarks.{COMMANDS[args[0]][0]}").main(args[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
