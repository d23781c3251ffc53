"""Who is told which columns belong to which parameter."""

import torch
from torch import nn

from lightning_autobalance.balancing import DBMTL, EqualWeights
from lightning_autobalance.step.columns import align_columns
from lightning_autobalance.variants import MeanSquares, RoPINN, Stack


def test_whoever_keeps_state_is_told_by_name() -> None:
    net, other = nn.Linear(2, 3), torch.zeros(4)
    params = [other, net.bias, net.weight]
    blocks = [torch.zeros(2, 4), None, torch.zeros(2, 3, 2)]
    balancer, ropinn = DBMTL(), RoPINN(seed=0)
    align_columns((balancer, Stack([RoPINN(seed=1)]), ropinn, None), params, blocks, net.named_parameters)
    for keeper in (balancer, ropinn):
        assert keeper.get_extra_state()["columns"] == {"parameter 0": 4, "weight": 6}


def test_names_are_looked_up_only_where_parameters_change() -> None:
    net, calls = nn.Linear(2, 3), []

    def named() -> list[tuple[str, torch.Tensor]]:
        calls.append(1)
        return list(net.named_parameters())

    weight, bias = torch.zeros(2, 3, 2), torch.zeros(2, 3)
    params, balancer = list(net.parameters()), DBMTL()
    align_columns((EqualWeights(), MeanSquares()), params, [weight, bias], named)
    assert not calls
    for blocks, times in (([weight, bias], 1), ([weight, bias], 1), ([weight, None], 2), ([weight, None], 2)):
        align_columns((balancer, None), params, blocks, named)
        assert len(calls) == times
    balancer.load_state_dict(DBMTL().state_dict())
    align_columns((balancer, None), params, [weight, None], named)
    assert balancer.get_extra_state()["columns"] == {"weight": 6}
