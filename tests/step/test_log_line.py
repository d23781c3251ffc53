"""What a logged step writes, by hand."""

from typing import Any

import torch
from torch import Tensor

from lightning_autobalance.step.log_line import LogLine
from lightning_autobalance.step.term_gradients import TermGradients


class Lines:
    """A logger that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[tuple[int | None, Any]] = []

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        self.lines.append((step, dict(metrics)))


FOUND = TermGradients(("pde", "boundary"), torch.tensor([2.0, 0.5]), [torch.zeros(2, 1)])


def write(line: LogLine, loggers: list[Lines], metrics: dict[str, Tensor], **numbers: float) -> dict[str, float]:
    return line.write(loggers, metrics, numbers, step=40, device=torch.device("cpu"))


def test_all_numbers_go_to_all_loggers_and_losses_to_the_callbacks() -> None:
    line, loggers, metrics = LogLine(), [Lines(), Lines()], {"val/mse": torch.tensor(1.0)}
    line.record("balance/grad_norm/pde", torch.tensor(3.0, dtype=torch.float64, requires_grad=True))
    line.record_losses(FOUND)
    written = write(line, loggers, metrics, lr=0.1)
    assert written == {"balance/grad_norm/pde": 3.0, "loss/pde": 2.0, "loss/boundary": 0.5, "lr": 0.1}
    assert [logger.lines for logger in loggers] == [[(40, written)]] * 2
    assert {name: float(x) for name, x in metrics.items()} == {"val/mse": 1.0, "loss/pde": 2.0, "loss/boundary": 0.5}


def test_a_line_begins_empty_after_it_was_written() -> None:
    line = LogLine()
    line.record("a", torch.tensor(1.0))
    write(line, [], {})
    line.record("b", torch.tensor(2.0))
    assert write(line, [], {}) == {"b": 2.0}


def test_a_value_recorded_twice_is_the_later_one() -> None:
    line = LogLine()
    line.record("a", torch.tensor(1.0))
    line.record("a", torch.tensor(2.0))
    assert write(line, [], {}) == {"a": 2.0}
