"""Stage 6 by hand: where the gradients lie, and as long as the step lasts only."""

import torch
from torch import nn

from lightning_autobalance.step.combine import Combined
from lightning_autobalance.step.update import clear, lay, trained_parameters, update_parameters


class Watches:
    """An optimizer that notes what lies on the parameters when it steps."""

    def __init__(self, params: list[nn.Parameter]) -> None:
        self.params = params
        self.seen: list[tuple[object, object]] = []

    def step(self) -> None:
        self.seen = [(getattr(p, "jac", None), p.grad) for p in self.params]


BLOCK, GRADIENT = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([4.0, 6.0])


def params() -> list[nn.Parameter]:
    return [nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(3))]


def bare(parameters: list[nn.Parameter]) -> bool:
    return all(p.grad is None and not hasattr(p, "jac") for p in parameters)


def test_gradients_lie_on_the_parameters_during_the_step() -> None:
    own = params()
    optimizer = Watches(own)
    update_parameters(optimizer, own, Combined([BLOCK, None], [GRADIENT, None]))
    assert optimizer.seen == [(BLOCK, GRADIENT), (None, None)]
    assert bare(own)


def test_before_a_post_combine_optimizer_there_is_no_sum() -> None:
    own = params()
    lay(own, [BLOCK, None])
    assert own[0].grad is None
    assert own[0].jac is BLOCK
    assert not hasattr(own[1], "jac")
    clear(own)
    assert bare(own)


def test_a_torch_optimizer_steps_along_the_gradient() -> None:
    own = params()
    update_parameters(torch.optim.SGD(own, lr=0.5), own, Combined([BLOCK, None], [GRADIENT, None]))
    assert own[0].tolist() == [-2.0, -3.0]
    assert own[1].tolist() == [0.0, 0.0, 0.0]


def test_every_trained_parameter_once() -> None:
    a, b, frozen = (torch.zeros(2, requires_grad=grad) for grad in (True, True, False))
    optimizer = torch.optim.SGD([{"params": [a, frozen]}, {"params": [b]}], lr=0.1)
    optimizer.param_groups[0]["params"].append(a)
    found = trained_parameters(optimizer)
    assert [p is q for p, q in zip(found, [a, b], strict=True)] == [True, True]
