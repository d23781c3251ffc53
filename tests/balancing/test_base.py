"""What weightings and aggregators share."""

import io

import pytest
import torch
from torch import Tensor

from helpers.balancing import view_of
from lightning_autobalance.balancing import NTK, Balancer, EqualWeights, MConFIG, StepView, Weighting
from lightning_autobalance.balancing.base import CallCounter


class Counting(CallCounter, Weighting):
    """Each weight is the number of calls."""

    def forward(self, view: StepView) -> Tensor:
        self._calls += 1
        return torch.full_like(view.losses, self._calls)


def test_calls_are_part_of_a_checkpoint() -> None:
    counting, view = Counting(), view_of([[1.0], [1.0]])
    assert [counting(view)[0].item() for _ in range(2)] == [1.0, 2.0]
    file = io.BytesIO()
    torch.save(counting.state_dict(), file)
    file.seek(0)
    fresh = Counting()
    fresh.load_state_dict(torch.load(file, weights_only=True))
    assert fresh.get_extra_state() == {"calls": 2}
    assert fresh(view).tolist() == [3.0, 3.0]


def test_two_objects_count_for_themselves() -> None:
    first, second = Counting(), Counting()
    first(view_of([[1.0]]))
    assert (first.get_extra_state(), second.get_extra_state()) == ({"calls": 1}, {"calls": 0})


def test_only_balancers_that_use_kernels_need_them() -> None:
    assert NTK.needs_ntk
    assert not any(kind.needs_ntk for kind in (Balancer, EqualWeights, MConFIG))


def test_the_former_name_of_needs_ntk_works_and_warns() -> None:
    with pytest.warns(DeprecationWarning, match="`asks_kernels` of Old is now `needs_ntk`"):

        class Old(EqualWeights):
            asks_kernels = True

    assert Old.needs_ntk
    assert not EqualWeights.needs_ntk


def test_weights_are_not_part_of_the_state() -> None:
    method = EqualWeights()
    assert method.weights is None
    method.weights = torch.ones(2)
    assert not method.state_dict()
