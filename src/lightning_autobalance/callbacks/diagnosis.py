"""A diagnosis of a run in plain language."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations

from lightning_autobalance.callbacks.balance_statistics import BalanceStatistics
from lightning_autobalance.callbacks.surviving_descent import EndOfDescent

SIMILAR = 3.0  # norms within this factor of each other are balanced
OPPOSED = -0.5  # with a mean cosine below this, two updates largely cancel
CONFLICT = 0.1  # fraction of steps from which a conflict is reported
TRIVIAL = 0.05  # relative to the size of the exact solution, or of the solution itself
WRONG = 0.1  # relative error above which a solution is wrong
LEFT = 0.5  # share of the zero function's loss that is left of a term, above which the term is hardly learnt
BELOW = 10.0  # relative error over relative size of the residuals, above which the points are not representative
LONG = 500  # steps from which a run is more than a trial
STALLED = 0.01  # mean surviving descent at the end of a run, below which the updates gain nothing together
FALLS = 0.9  # the losses fall where the second half of the end of a run has less than this of the first
PLATEAU = 0.15  # relative to the solution's size, below which it is nearly constant
NEGLIGIBLE = 1e-3  # relative to the largest loss of a constant, below which it solves the equation of a term
FEW = 2  # logged steps, below which nothing is said of their means
ACCURATE = 1e-3  # relative error below which the points are enough, whatever the losses
OVERFIT = 10.0  # loss at new points over loss at training points, above which the points are too few


@dataclass(frozen=True)
class Evidence:
    """The measurements at the end of a run that the diagnosis is based on.

    Args:
        terms: Names of the loss terms.
        post_combine: Whether each term has its own optimizer state.
        grad: Statistics of the terms' gradients over the logged steps.
        update: Statistics of the terms' updates over the logged steps; empty if the optimizer is not post-combine.
        descent: Surviving descent and losses of the last logged steps; empty likewise.
        trained: Mean squared residual by term, at the training points.
        fresh: Mean squared residual by term, at points not used in training; empty if there are none.
        zero: Mean squared residual by term of the function that is zero everywhere, at the training points; empty if it
            cannot be evaluated.
        flat: The same of the constant function with the mean of the solution.
        size: Root mean square of the solution over the domain.
        spread: Root mean square of the solution's deviation from its mean.
        exact_size: Root mean square of the exact solution; None if there is none.
        rel_l2: Relative L2 error; None if there is no exact solution.
        steps: Number of optimizer steps of the run.
        has_finish: Whether a finisher took the last of them, or cannot work on this problem.
        finished: Whether a finisher took the last of them.
        noisy: Measured terms whose noise the run does not know.
    """

    terms: tuple[str, ...]
    post_combine: bool
    grad: BalanceStatistics
    update: BalanceStatistics
    descent: EndOfDescent = field(default_factory=EndOfDescent)
    trained: Mapping[str, float] = field(default_factory=dict)
    fresh: Mapping[str, float] = field(default_factory=dict)
    zero: Mapping[str, float] = field(default_factory=dict)
    flat: Mapping[str, float] = field(default_factory=dict)
    size: float = 1.0
    spread: float = 1.0
    exact_size: float | None = None
    rel_l2: float | None = None
    steps: int = 0
    has_finish: bool = True
    finished: bool = False
    noisy: tuple[str, ...] = ()


def diagnose(evidence: Evidence) -> list[str]:
    """Sentences on what went wrong and what to try, the most important last, each with the number behind it."""
    checks = (
        _dominance,
        _conflicts,
        _updates,
        _stall,
        _few_points,
        _noise,
        _finish,
        _trivial,
        _plateau,
        _loss_below_error,
    )
    return [sentence for check in checks for sentence in check(evidence)]


def _dominance(e: Evidence) -> Iterator[str]:
    if e.grad.count < FEW or len(e.terms) < 2:
        return
    norms = dict(zip(e.terms, e.grad.norms, strict=True))
    largest, least = max(norms, key=norms.__getitem__), min(norms, key=norms.__getitem__)
    ratio = norms[largest] / norms[least]
    over = f"(geometric mean over {e.grad.count} logged steps)"
    if ratio < SIMILAR:
        yield f"The gradients of all terms are of similar size, within a factor {ratio:.3g} {over}."
        return
    follows = not e.post_combine and _is_wrong(e)
    advice = f" One optimizer for all terms follows `{largest}`: try AutoAdamW." if follows else ""
    yield f"The gradient of `{largest}` is {ratio:.3g} times that of `{least}` {over}.{advice}"


def _conflicts(e: Evidence) -> Iterator[str]:
    if e.grad.count < FEW:
        return
    conflicts, cosines = e.grad.conflicts, e.grad.cosines
    for i, j in combinations(range(len(e.terms)), 2):
        if conflicts[i][j] >= CONFLICT:
            yield (
                f"The gradients of `{e.terms[i]}` and `{e.terms[j]}` conflict in {conflicts[i][j]:.0%} of "
                f"{e.grad.count} logged steps (mean cosine {cosines[i][j]:.2f})."
            )


def _updates(e: Evidence) -> Iterator[str]:
    if e.update.count < FEW or len(e.terms) < 2:
        return
    norms, cosines = e.update.norms, e.update.cosines
    ratio = max(norms) / min(norms)
    yield f"After preconditioning, the updates of all terms are within a factor {ratio:.3g} of each other."
    advice = " Where it stalls, try torch.optim.AdamW, which adds the gradients." if _is_wrong(e) else ""
    for i, j in combinations(range(len(e.terms)), 2):
        if cosines[i][j] < OPPOSED:
            share = _relative_length_of_sum(norms[i], norms[j], cosines[i][j])
            yield (
                f"The updates of `{e.terms[i]}` and `{e.terms[j]}` pull against each other (mean cosine "
                f"{cosines[i][j]:.2f}): together they go {share:.0%} of the way that both go alone.{advice}"
            )


def _relative_length_of_sum(a: float, b: float, cosine: float) -> float:
    """Norm of the sum of two vectors over the sum of their norms."""
    return math.sqrt(max(a * a + b * b + 2 * a * b * cosine, 0.0)) / (a + b)


def _is_stalled(e: Evidence) -> bool:
    return not e.finished and e.descent.eta is not None and e.descent.eta < STALLED and e.descent.loss_ratio >= FALLS


def _stall(e: Evidence) -> Iterator[str]:
    if _is_stalled(e):
        remedy = "" if e.has_finish else f"Add a finish ({_finish_arguments(e)}), or compare with torch.optim.AdamW."
        yield (
            f"The updates of the terms cancel: {e.descent.eta:.2g} of their descent is left in the sum (mean of the "
            f"last {e.descent.steps} logged steps), and the losses do not fall. "
            f"{remedy or 'Compare with torch.optim.AdamW, which adds the gradients.'}"
        )


def _few_points(e: Evidence) -> Iterator[str]:
    if e.rel_l2 is not None and e.rel_l2 < ACCURATE:  # a finish takes the losses far below what the error needs
        return
    for term, fresh in e.fresh.items():
        trained = e.trained[term]
        if trained > 0 and fresh / trained >= OVERFIT:
            yield (
                f"The loss of `{term}` is {trained:.2g} at the training points and {fresh:.2g} at new points, "
                f"{fresh / trained:.3g} times as large: the points are too few. Give it more (`--data.points`), or "
                "draw new ones as training goes on (`--data.resample_every`)."
            )


def _noise(e: Evidence) -> Iterator[str]:
    if e.noisy and e.steps >= LONG:
        names = " and ".join(f"`{term}`" for term in e.noisy)
        yield (
            f"{names} is measured, and nothing tells the run where a fit begins to follow the noise. Give its standard "
            f"deviation: `--model.stop_at_noise '{{{e.noisy[0]}: 0.01}}'`."
        )


def _finish(e: Evidence) -> Iterator[str]:
    if not e.has_finish and e.steps >= LONG and not _is_stalled(e) and not _unmet(e):
        yield (
            "The run has no finish. Curvature lowers what a first-order method leaves, often by orders of magnitude: "
            f"go on from its checkpoint with {_finish_arguments(e)}."
        )


def _finish_arguments(e: Evidence) -> str:
    return f"`--trainer.max_steps {e.steps + 100} --model.finish LevenbergMarquardt --model.finish.steps 100`"


def _plateau(e: Evidence) -> Iterator[str]:
    if not (shares := _unmet(e)):
        return
    unmet = " and ".join(f"`{term}` {share:.0%}" for term, share in shares.items())
    cancel = " Weights cancel in this optimizer; `advise` also tries one in which they count." if e.post_combine else ""
    yield (
        f"The solution is stuck on a plateau: it varies by {e.spread / e.size:.2g} of its size, and of the loss of the "
        f"constant function there, {unmet} is left. The conditions need larger weights: `lightning-autobalance advise "
        f"--config my_pde.yaml` measures which, and tries them.{cancel}"
    )


def _unmet(e: Evidence) -> dict[str, float]:
    """By term, its loss over that of the constant function, where the solution is no better than it; else empty."""
    good = e.rel_l2 is not None and e.rel_l2 <= WRONG
    if good or not TRIVIAL * (e.exact_size or 0.0) <= e.size or not 0 < e.spread < PLATEAU * e.size:
        return {}
    largest = max(e.flat.values(), default=0.0)
    shares = {term: e.trained[term] / flat for term, flat in e.flat.items() if flat > NEGLIGIBLE * largest}
    met = len(shares) < len(e.flat)  # a constant solves some of the equations, or there is no plateau to stay on
    return {term: share for term, share in shares.items() if share > LEFT} if met else {}


def _trivial(e: Evidence) -> Iterator[str]:
    if _unmet(e):
        return
    advice = "Try another seed, a lower learning rate, or points that stay (`--data.resample_every 0`)."
    if (pair := _opposed_pair(e)) is not None:
        advice = (
            f"The updates of `{pair[0]}` and `{pair[1]}` cancel: try torch.optim.AdamW, which adds their gradients."
        )
    if e.exact_size is not None and e.size < TRIVIAL * e.exact_size:
        share = e.size / e.exact_size
        yield f"The solution looks trivial: its size is {share:.2%} of the exact solution's. {advice}"
        return
    if e.exact_size is None and e.size > 0 and e.spread < TRIVIAL * e.size:
        yield f"The solution looks constant: it varies by {e.spread / e.size:.2%} of its size. {advice}"
    for term, share in _shares_left(e).items():
        if share > LEFT:
            yield (
                f"The solution looks trivial: the loss of `{term}` is {share:.0%} of what the zero function has. "
                f"{advice}"
            )


def _shares_left(e: Evidence) -> dict[str, float]:
    """By term, its loss over that of the zero function; exactly equal ones do not use the field, and say nothing."""
    return {term: e.trained[term] / zero for term, zero in e.zero.items() if 0 < zero != e.trained[term]}


def _is_wrong(e: Evidence) -> bool:
    if e.rel_l2 is not None:
        return e.rel_l2 > WRONG
    return any(share > LEFT for share in _shares_left(e).values())


def _opposed_pair(e: Evidence) -> tuple[str, str] | None:
    """The terms whose updates cancel most, if any do."""
    if e.update.count < FEW:
        return None
    pairs = combinations(range(len(e.terms)), 2)
    cosine, i, j = min(((e.update.cosines[i][j], i, j) for i, j in pairs), default=(0.0, 0, 0))
    return (e.terms[i], e.terms[j]) if cosine < OPPOSED else None


def _loss_below_error(e: Evidence) -> Iterator[str]:
    shares = [math.sqrt(e.trained[term] / zero) for term, zero in e.zero.items() if zero > 0]
    if e.rel_l2 is not None and e.rel_l2 > WRONG and shares and e.rel_l2 > BELOW * max(shares):
        yield (
            f"The residuals fell to {max(shares):.1g} of those of the zero function, but the relative L2 error is "
            f"{e.rel_l2:.2g}: small residuals at these points do not make a good solution. Try more points, or look "
            "for a condition that is missing."
        )
