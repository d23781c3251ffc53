"""Stage 2 by hand: one gradient per term, some of the terms only, graphs that are shared late."""

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn

from lightning_autobalance.balancing import EqualWeights, MConFIG, PCGrad
from lightning_autobalance.step.losses import OwnLosses, ResidualLosses
from lightning_autobalance.step.term_gradients import (
    ChangedTermsError,
    TermGradients,
    TermGradientStage,
    check_same_terms,
    terms_needed,
    with_zero_rows,
)
from lightning_autobalance.variants import MeanSquares

POINTS = {"interior": torch.tensor([[1.0], [3.0]])}


class Line:
    """Residuals a x and b - 1, and a parameter that no term reaches."""

    def __init__(self) -> None:
        self.a, self.b, self.unused = (nn.Parameter(torch.tensor(x)) for x in (2.0, 5.0, 0.0))
        self.params = [self.a, self.b, self.unused]

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        x = points["interior"][:, 0]
        return {"pde": self.a * x, "boundary": (self.b - 1).expand(1)}


def gradients(line: Line, stage: TermGradientStage | None = None, **options: object) -> TermGradients:
    stage = stage or TermGradientStage()
    losses = ResidualLosses(MeanSquares(), line.residuals)
    return stage(losses, POINTS, line.params, **({"weights": {}} | options))  # type: ignore[arg-type]


def test_losses_and_gradients_by_hand() -> None:
    found = gradients(Line())
    assert found.terms == ("pde", "boundary")
    assert found.losses.tolist() == [20.0, 16.0]  # (4 + 36) / 2 and 4 squared
    assert not found.losses.requires_grad
    by_a, by_b, by_unused = found.blocks
    assert by_a is not None
    assert by_b is not None
    assert by_a.tolist() == [20.0, 0.0]  # 2 a (1 + 9) / 2
    assert by_b.tolist() == [0.0, 8.0]
    assert by_unused is None
    assert list(found.counts) == [2, 1]
    assert found.jacobian().tolist() == [[20.0, 0.0], [0.0, 8.0]]


def test_a_fixed_weight_scales_the_gradient_and_not_the_loss() -> None:
    found = gradients(Line(), weights={"boundary": 3.0})
    assert found.losses.tolist() == [20.0, 16.0]
    assert found.jacobian().tolist() == [[20.0, 0.0], [0.0, 24.0]]


def test_rows_that_are_not_needed_are_zero_once_it_is_known_what_is_reached() -> None:
    line, stage = Line(), TermGradientStage()
    first = gradients(line, stage, needed=("boundary",))
    assert first.jacobian().tolist() == [[20.0, 0.0], [0.0, 8.0]]
    found = gradients(line, stage, terms=first.terms, needed=("boundary",))
    assert found.jacobian().tolist() == [[0.0, 0.0], [0.0, 8.0]]
    assert found.losses.tolist() == [20.0, 16.0]
    assert found.blocks[2] is None


def test_a_graph_that_terms_begin_to_share_is_built_once_more() -> None:
    line, stage = Line(), TermGradientStage()
    calls = []

    def losses(points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        calls.append(1)
        x = points["interior"][:, 0]
        common = (line.a * x).square().mean()
        second = common if len(calls) > 1 else (line.b - 1).square()
        return {"pde": common, "boundary": 2 * second}

    for expected, times in (([[20.0, 0.0], [0.0, 16.0]], 1), ([[20.0], [40.0]], 3), ([[20.0], [40.0]], 4)):
        found = stage(OwnLosses(losses, "Line"), POINTS, line.params, weights={})
        assert found.jacobian().tolist() == expected
        assert len(calls) == times


def test_other_terms_than_before_are_refused() -> None:
    with pytest.raises(ChangedTermsError, match=r"same terms in every step, \['pde', 'data'\], got \['pde', 'bound"):
        gradients(Line(), terms=("pde", "data"))
    check_same_terms((), ("a",))
    check_same_terms(("a", "b"), ("a", "b"))
    with pytest.raises(ChangedTermsError, match="same terms"):
        check_same_terms(("a", "b"), ("b", "a"))


def test_terms_that_a_balancer_needs() -> None:
    terms = ("a", "b", "c")
    assert terms_needed(None, terms) == terms_needed(EqualWeights(), terms) == terms_needed(PCGrad(), terms) == ()
    (only,) = terms_needed(MConFIG(), terms)
    assert only in terms
    assert terms_needed(MConFIG(), ()) == ()  # their names are not known yet


def test_blocks_of_some_terms_as_blocks_of_all() -> None:
    params = [torch.zeros(2), torch.zeros(3), torch.zeros(1)]
    block = torch.tensor([[1.0, 2.0]])
    complete, zeros, none = with_zero_rows([block, None, None], [False, True, False], params, [True, True, False])
    assert complete is not None
    assert complete.tolist() == [[0, 0], [1, 2], [0, 0]]
    assert zeros is not None
    assert torch.equal(zeros, torch.zeros(3, 3))  # a term that is not needed reaches it
    assert none is None
