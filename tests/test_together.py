"""Steps that may be computed with those of other runs."""

import threading
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from helpers.toys import Decay
from lightning_autobalance import together
from lightning_autobalance.together import HasResiduals


class Recorder:
    """Answers for itself, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def residuals(self, module: HasResiduals, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        self.asked.append("residuals")
        return module.residuals(points)

    def slopes(self, value: Tensor, points: Tensor, graph: bool) -> Tensor | None:
        self.asked.append("slopes")
        return together.own_slopes(value, points, graph=graph)

    def term_gradients(
        self, losses: Mapping[str, Tensor], params: Sequence[Tensor], shared: bool | None
    ) -> list[Tensor | None]:
        self.asked.append("term_gradients")
        return [None for _ in params]


def test_alone_each_is_the_plain_operation() -> None:
    x = torch.tensor([[1.0], [3.0]], requires_grad=True)
    slope = together.slopes(x.square().sum(), x, graph=False)
    assert slope is not None
    assert slope.tolist() == [[2.0], [6.0]]
    assert together.slopes(torch.ones((), requires_grad=True), x, graph=False) is None
    (block,) = together.term_gradients({"a": (x**2).sum(), "b": x.sum()}, [x])
    assert block is not None
    assert block.tolist() == [[[2.0], [6.0]], [[1.0], [1.0]]]


def test_companions_are_asked_in_their_thread_only() -> None:
    module, recorder = Decay(), Recorder()
    points = {"interior": torch.rand(3, 1), "boundary": torch.rand(2, 1)}
    x = torch.ones(1, 1, requires_grad=True)
    with together.together(recorder):
        together.residuals(module, points)
        together.slopes(x.sum(), x, graph=False)
        together.term_gradients({"a": x.sum()}, [x])
        thread = threading.Thread(target=together.residuals, args=(module, points))
        thread.start()
        thread.join()
    together.residuals(module, points)
    assert recorder.asked == ["residuals", "slopes", "term_gradients"]
