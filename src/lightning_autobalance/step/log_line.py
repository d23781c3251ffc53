"""The numbers of a logged step: 0-dim tensors, read from the device in one transfer and given to the loggers."""

from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from lightning_autobalance.step.term_gradients import TermGradients


@runtime_checkable
class MetricLogger(Protocol):
    """Lightning's loggers, as far as a log line needs them."""

    def log_metrics(self, metrics: Any, step: int | None = None) -> object:
        """Write numbers of one step."""


class LogLine:
    """Collects the numbers of one logged step and writes them; nothing is computed or read on other steps."""

    def __init__(self) -> None:
        self._tensors: dict[str, Tensor] = {}

    def record(self, name: str, value: Tensor) -> None:
        """Keep a 0-dim tensor, which stays on its device until the line is written.

        Args:
            name: Its key, such as ``balance/grad_norm/pde``.
            value: ().
        """
        self._tensors[name] = value.detach()

    def record_losses(self, gradients: TermGradients) -> None:
        """Keep the losses as ``loss/<term>``, without their fixed weights."""
        for term, loss in zip(gradients.terms, gradients.losses, strict=True):
            self.record(f"loss/{term}", loss)

    def write(
        self,
        loggers: Iterable[MetricLogger],
        metrics: MutableMapping[str, Tensor],
        numbers: Mapping[str, float],
        *,
        step: int,
        device: torch.device,
    ) -> dict[str, float]:
        """Read all numbers from the device at once and write them.

        Args:
            loggers: Get the line.
            metrics: The Trainer's, in which callbacks such as EarlyStopping find the losses.
            numbers: What the host knows, such as the learning rate.
            step: Number of the step.
            device: Where most of the tensors are.

        Returns:
            The line.
        """
        stacked = torch.stack([x.to(device, torch.float32) for x in self._tensors.values()]).cpu()
        line = dict(zip(self._tensors, stacked.tolist(), strict=True)) | dict(numbers)
        for logger in loggers:
            logger.log_metrics(line, step=step)
        metrics.update({name: x for name, x in zip(self._tensors, stacked, strict=True) if name.startswith("loss/")})
        self._tensors = {}
        return line
