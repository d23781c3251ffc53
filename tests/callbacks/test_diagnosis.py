"""Every sentence on a case made for it, and none where nothing is wrong."""

from typing import Any

import pytest
import torch

from lightning_autobalance.callbacks.balance_statistics import BalanceStatistics
from lightning_autobalance.callbacks.diagnosis import Evidence, diagnose
from lightning_autobalance.callbacks.surviving_descent import ETA, EndOfDescent

TERMS = ("pde", "boundary")


def statistics(*grams: list[list[float]]) -> BalanceStatistics:
    found = BalanceStatistics()
    for gram in grams * 2 if len(grams) == 1 else grams:
        found.add(torch.tensor(gram, dtype=torch.float64))
    return found


def of_vectors(a: tuple[float, float], b: tuple[float, float]) -> list[list[float]]:
    return [[a[0] * a[0] + a[1] * a[1], a[0] * b[0] + a[1] * b[1]], [a[0] * b[0] + a[1] * b[1], b[0] ** 2 + b[1] ** 2]]


EVEN = of_vectors((1, 0), (0, 1))


def evidence(**changes: Any) -> Evidence:
    """A run in which all is well, with some things changed."""
    well: dict[str, Any] = {
        "terms": TERMS,
        "post_combine": True,
        "grad": statistics(EVEN),
        "update": statistics(EVEN),
        "trained": {"pde": 1e-4, "boundary": 1e-5},
        "fresh": {"pde": 2e-4, "boundary": 1e-5},
        "zero": {"pde": 100.0, "boundary": 0.0},
        "size": 0.5,
        "spread": 0.5,
        "exact_size": 0.5,
        "rel_l2": 1e-3,
    }
    return Evidence(**{**well, **changes})


def test_a_good_run() -> None:
    assert diagnose(evidence()) == [
        "The gradients of all terms are of similar size, within a factor 1 (geometric mean over 2 logged steps).",
        "After preconditioning, the updates of all terms are within a factor 1 of each other.",
    ]


def only(found: list[str], *words: str) -> None:
    """Exactly one sentence has all the words, and no more than one is new beside those said of a good run."""
    assert sum(all(word in sentence for word in words) for sentence in found) == 1, found
    assert len(found) <= len(diagnose(evidence())) + 1, found


def test_dominance_and_its_remedy() -> None:
    grad = statistics(of_vectors((300, 0), (0, 1)), of_vectors((300, 0), (0, 100)))  # ratios 300 and 3: 30 in the mean
    only(diagnose(evidence(grad=grad)), "gradient of `pde` is 30 times that of `boundary`", "2 logged steps")
    assert not any("try AutoAdamW" in s for s in diagnose(evidence(grad=grad)))
    wrong = {"grad": grad, "post_combine": False, "update": BalanceStatistics()}
    only(diagnose(evidence(**wrong, rel_l2=0.4, zero={})), "follows `pde`: try AutoAdamW")
    assert not any("try AutoAdamW" in s for s in diagnose(evidence(**wrong)))  # a run that went well needs no advice
    unknown = {"exact_size": None, "rel_l2": None, "fresh": {}}
    left = diagnose(evidence(**wrong, **unknown, trained={"pde": 90.0, "boundary": 1e-5}))
    assert any("follows `pde`: try AutoAdamW" in sentence for sentence in left)
    assert not any("try AutoAdamW" in sentence for sentence in diagnose(evidence(**wrong, **unknown)))


def test_conflicts() -> None:
    grad = statistics(EVEN, EVEN, of_vectors((1, 0), (-1, 0)), of_vectors((1, 0), (-0.6, 0.8)))
    only(diagnose(evidence(grad=grad)), "`pde` and `boundary` conflict in 50% of 4 logged steps", "mean cosine -0.40")
    rare = statistics(*[EVEN] * 19, of_vectors((1, 0), (-1, 0)))
    assert not any("conflict" in s for s in diagnose(evidence(grad=rare)))


def test_updates_that_cancel() -> None:
    update = statistics(of_vectors((2, 0), (-1, 0)))
    found = diagnose(evidence(update=update))
    assert "After preconditioning, the updates of all terms are within a factor 2 of each other." in found
    assert any("mean cosine -1.00" in s and s.endswith("go 33% of the way that both go alone.") for s in found)
    stalled = diagnose(evidence(update=update, rel_l2=0.55, zero={}))
    assert any("go 33% of the way" in s and "Where it stalls, try torch.optim.AdamW" in s for s in stalled)


def at_the_end(eta: float, falls: float, steps: int = 20) -> EndOfDescent:
    descent = EndOfDescent()
    for i in range(steps):
        descent.add({ETA: eta, "loss/pde": falls ** (2 * i / steps)})
    return descent


def test_a_stall_and_its_remedy() -> None:
    stalled = at_the_end(0.004, 0.99)
    only(diagnose(evidence(descent=stalled)), "0.004 of their descent is left", "last 20 logged", "torch.optim.AdamW")
    (found,) = [s for s in diagnose(evidence(descent=stalled, has_finish=False, steps=900)) if "finish" in s]
    assert "Add a finish (`--trainer.max_steps 1000 --model.finish LevenbergMarquardt" in found


@pytest.mark.parametrize(
    ("descent", "finished"),
    [
        (at_the_end(0.1, 0.99), False),
        (at_the_end(0.004, 0.5), False),
        (at_the_end(0.004, 0.99, steps=9), False),
        (at_the_end(0.004, 0.99), True),
    ],
    ids=["survives", "falls", "short", "finished"],
)
def test_no_stall(descent: EndOfDescent, finished: bool) -> None:
    assert diagnose(evidence(descent=descent, finished=finished)) == diagnose(evidence())


def test_too_few_points() -> None:
    found = diagnose(evidence(fresh={"pde": 5e-3, "boundary": 1e-5}))
    only(found, "loss of `pde` is 0.0001 at the training points and 0.005 at new points", "50 times", "--data.points")


@pytest.mark.parametrize(("rel_l2", "said"), [(1e-4, 0), (9e-4, 0), (1e-3, 1), (None, 1)])
def test_points_are_not_too_few_where_the_error_is_small(rel_l2: float | None, said: int) -> None:
    """As after a finish, which brings the loss at its points far below that between them."""
    found = diagnose(evidence(rel_l2=rel_l2, trained={"pde": 1e-10}, fresh={"pde": 1e-6}))
    assert sum("the points are too few" in sentence for sentence in found) == said


def test_a_solution_near_zero() -> None:
    only(diagnose(evidence(size=0.005)), "looks trivial: its size is 1.00% of the exact solution's")


def test_a_solution_near_zero_without_an_exact_one() -> None:
    found = diagnose(evidence(exact_size=None, rel_l2=None, trained={"pde": 90.0, "boundary": 1e-5}, fresh={}))
    only(found, "looks trivial: the loss of `pde` is 90% of what the zero function has")


@pytest.mark.parametrize(("left", "said"), [(60.0, 1), (40.0, 0)])
def test_half_of_a_terms_loss_is_left_whatever_the_solutions_size(left: float, said: int) -> None:
    found = diagnose(
        evidence(rel_l2=0.62, size=0.3, trained={"pde": 1e-4, "initial": left}, zero={"initial": 100.0}, fresh={})
    )
    sentences = [s for s in found if "looks trivial: the loss of `initial` is 60% of what the zero function has" in s]
    assert len(sentences) == said
    assert all("Try another seed" in sentence for sentence in sentences)


def test_where_updates_cancel_the_remedy_is_one_optimizer_for_all_terms() -> None:
    opposed = statistics(of_vectors((2, 0), (-1, 0)))
    found = diagnose(evidence(size=0.005, update=opposed))
    assert any("looks trivial" in s and "`pde` and `boundary` cancel: try torch.optim.AdamW" in s for s in found)
    assert not any("try AutoAdamW" in sentence for sentence in found)


def test_a_constant_solution() -> None:
    found = diagnose(evidence(exact_size=None, rel_l2=None, size=2.0, spread=0.01))
    only(found, "looks constant: it varies by 0.50% of its size")


ON_A_PLATEAU = {  # Laplace's equation between a square at 1 and holes at 0, after some hundred steps of AdamW
    "trained": {"pde": 3e-4, "outer": 0.24, "holes": 0.26},
    "fresh": {},
    "zero": {"pde": 0.0, "outer": 1.0, "holes": 0.0},
    "flat": {"pde": 0.0, "outer": 0.24, "holes": 0.26},
    "size": 0.51,
    "spread": 0.024,
    "exact_size": 0.54,
    "rel_l2": 0.54,
    "has_finish": False,
    "steps": 900,
    "grad": BalanceStatistics(),
    "update": BalanceStatistics(),
}


@pytest.mark.parametrize("known", [{}, {"rel_l2": None, "exact_size": None}], ids=["known", "unknown"])
@pytest.mark.parametrize("post_combine", [True, False])
def test_a_plateau_and_its_remedy(known: dict[str, None], post_combine: bool) -> None:
    (found,) = diagnose(evidence(**{**ON_A_PLATEAU, **known}, post_combine=post_combine))
    assert "stuck on a plateau: it varies by 0.047 of its size" in found
    assert "`outer` 100% and `holes` 100% is left" in found
    assert "larger weights: `lightning-autobalance advise --config my_pde.yaml`" in found
    assert ("Weights cancel in this optimizer" in found) == post_combine


@pytest.mark.parametrize(
    "changes",
    [
        {"rel_l2": 0.01},
        {"spread": 0.2},
        {"trained": {"pde": 3e-4, "outer": 0.1, "holes": 0.1}},
        {"flat": {}},
        {"flat": {"pde": 0.2, "outer": 0.24, "holes": 0.26}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_no_plateau(changes: dict[str, Any]) -> None:
    assert not any("plateau" in sentence for sentence in diagnose(evidence(**{**ON_A_PLATEAU, **changes})))


def test_an_exact_solution_that_is_constant_is_no_complaint() -> None:
    assert diagnose(evidence(spread=0.0)) == diagnose(evidence())


def test_losses_far_below_the_error() -> None:
    only(diagnose(evidence(rel_l2=0.4)), "fell to 0.001 of those of the zero function", "error is 0.4")
    assert diagnose(evidence(rel_l2=0.4, trained={"pde": 1.0, "boundary": 1e-5}, fresh={})) == diagnose(evidence())


def test_a_residual_that_does_not_change_with_the_solution_says_nothing() -> None:
    same = {"pde": 3.0, "boundary": 1e-5}
    silent = evidence(exact_size=None, rel_l2=None, trained=same, fresh={}, zero={"pde": 3.0})
    assert diagnose(silent) == diagnose(evidence())


@pytest.mark.parametrize("terms", [("pde",), ()])
def test_one_term_needs_no_balance(terms: tuple[str, ...]) -> None:
    single = statistics([[4.0]]) if terms else BalanceStatistics()
    assert diagnose(Evidence(terms, True, single, single)) == []


def test_without_a_monitor_the_balance_is_not_spoken_of() -> None:
    assert diagnose(evidence(grad=BalanceStatistics(), update=BalanceStatistics())) == []


def test_nothing_is_said_of_one_logged_step() -> None:
    once = BalanceStatistics()
    once.add(torch.tensor(of_vectors((300, 0), (-1, 0)), dtype=torch.float64))
    assert diagnose(evidence(grad=once, update=once)) == []


def test_every_sentence_has_a_number() -> None:
    bad = evidence(
        grad=statistics(of_vectors((9, 0), (-1, 0))),
        update=statistics(of_vectors((9, 0), (-1, 0))),
        fresh={"pde": 1.0, "boundary": 1e-5},
        size=0.001,
        rel_l2=0.99,
    )
    found = diagnose(bad)
    assert len(found) == 7
    assert all(any(c.isdigit() for c in sentence) for sentence in found)


def test_a_long_run_without_a_finish_is_told_of_one() -> None:
    (found,) = [x for x in diagnose(evidence(has_finish=False, steps=3000)) if "finish" in x]
    assert "`--trainer.max_steps 3100 --model.finish LevenbergMarquardt --model.finish.steps 100`" in found
    assert not any("finish" in x for x in diagnose(evidence(has_finish=True, steps=3000)))
    assert not any("finish" in x for x in diagnose(evidence(has_finish=False, steps=10)))


def test_measurements_of_unknown_noise_are_told_of() -> None:
    (found,) = [x for x in diagnose(evidence(noisy=("data",), steps=3000)) if "noise" in x]
    assert "`data` is measured" in found
    assert "`--model.stop_at_noise '{data: 0.01}'`" in found
