"""Spectra of a module's terms, beside the module."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from helpers.toys import Decay, Poisson2D, fit, points
from lightning_autobalance.callbacks.term_spectra import SUM, term_spectra, weighted_losses
from lightning_autobalance.jacobian import Spectrum, dense, hessian
from lightning_autobalance.optim import AutoAdamW


class Meddler(Decay):
    """Draws random numbers, sets attributes and moves a buffer whenever its residuals are asked for."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.calls = 0
        self.source = torch.Generator().manual_seed(5)
        self.register_buffer("seen", torch.zeros(()))

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        self.calls += 1
        self.seen += 1
        noise = torch.rand(()) + torch.rand((), generator=self.source)
        return {term: residual * (1 + 1e-3 * noise) for term, residual in super().residuals(points).items()}


def trained(tmp_path: Path, kind: type[Decay] = Decay, **options: Any) -> tuple[Decay, dict[str, Tensor], Any]:
    torch.manual_seed(0)
    module = kind(**options)
    trainer = fit(module, tmp_path, points(Decay()), max_steps=5)
    return module, trainer.datamodule.points_at(0), trainer.optimizers[0]  # type: ignore[attr-defined]


def matrices(module: Decay, own: dict[str, Tensor]) -> dict[str, Tensor]:
    """Dense Hessians of a module in float64."""
    params = list(module.parameters())
    like = torch.cat([p.detach().flatten() for p in params])
    return {term: dense(hessian(loss, params), like) for term, loss in module.losses(own).items()}


def assert_eigenvalues(spectrum: Spectrum, matrix: Tensor) -> None:
    expected = torch.linalg.eigvalsh(matrix)
    assert torch.allclose(spectrum.eigenvalues, expected, rtol=0, atol=1e-9 * float(expected.abs().max()))


def test_against_dense_matrices(tmp_path: Path) -> None:
    module, own, optimizer = trained(
        tmp_path, weights={"boundary": 3.0}, optimizer=partial(AutoAdamW, combine=[2.0, 0.5])
    )
    found = term_spectra(module, own, optimizer)
    copy = Decay().double()
    copy.load_state_dict(module.state_dict())
    h = matrices(copy, {part: x.double() for part, x in own.items()})
    h["boundary"] = 3 * h["boundary"]
    assert list(found) == ["plain", "autobalance"]
    assert list(found["plain"]) == ["pde", "boundary", SUM]
    states = [optimizer.state[p] for p in module.parameters()]
    preconditioned = []
    for i, (term, matrix) in enumerate(h.items()):
        assert_eigenvalues(found["plain"][term], matrix)
        square = torch.cat([s["exp_avg_sq"][i].flatten() for s in states]).double() / (1 - 0.999**5)
        scale = (square.sqrt() + 1e-8) ** -0.5
        preconditioned.append(scale[:, None] * matrix * scale)
        assert_eigenvalues(found["autobalance"][term], preconditioned[-1])
    assert_eigenvalues(found["plain"][SUM], sum(h.values()))  # type: ignore[arg-type]
    assert_eigenvalues(found["autobalance"][SUM], 2 * preconditioned[0] + 0.5 * preconditioned[1])


def test_lanczos_has_the_same_extremes(tmp_path: Path) -> None:
    module, own, optimizer = trained(tmp_path, optimizer=torch.optim.Adam)
    exact = term_spectra(module, own, optimizer)
    ritz = term_spectra(module, own, optimizer, exact_up_to=0, steps=15)
    assert list(exact) == list(ritz) == ["plain", "adam"]
    for kind, terms in exact.items():
        for term, spectrum in terms.items():
            ends = spectrum.eigenvalues[[0, -1]]
            assert torch.allclose(ritz[kind][term].eigenvalues[[0, -1]], ends, rtol=1e-6, atol=1e-6 * float(ends[1]))
            assert not ritz[kind][term].exact


def test_nothing_is_touched(tmp_path: Path) -> None:
    module, own, optimizer = trained(tmp_path, Meddler)
    assert isinstance(module, Meddler)
    gradient = torch.ones_like(next(module.parameters()))
    next(module.parameters()).grad = gradient
    tensors = [*module.parameters(), *module.buffers()]
    before = [t.detach().clone() for t in tensors]
    states = torch.get_rng_state(), module.source.get_state(), module.calls, torch.get_default_dtype()
    first = term_spectra(module, own, optimizer)
    assert all(a is b for a, b in zip(tensors, [*module.parameters(), *module.buffers()], strict=True))
    assert all(torch.equal(a, b) for a, b in zip(before, tensors, strict=True))
    assert next(module.parameters()).grad is gradient
    assert torch.equal(states[0], torch.get_rng_state())
    assert torch.equal(states[1], module.source.get_state())
    assert states[2:] == (module.calls, torch.get_default_dtype())
    again = term_spectra(module, own, optimizer)
    assert torch.equal(first["plain"]["pde"].eigenvalues, again["plain"]["pde"].eigenvalues)


def test_a_float32_module_is_seen_in_float64_or_in_its_own_type() -> None:
    torch.manual_seed(0)
    module = Poisson2D()
    own = {"interior": torch.rand(8, 2), "boundary": torch.rand(4, 2)}
    double = term_spectra(module, own)["plain"]["pde"]
    single = term_spectra(module, own, double=False)["plain"]["pde"]
    assert double.eigenvalues.dtype == torch.float64
    assert single.eigenvalues.dtype == torch.float32
    largest = float(double.eigenvalues.abs().max())
    assert torch.allclose(single.eigenvalues.double(), double.eigenvalues, rtol=0, atol=1e-5 * largest)


def test_frozen_parameters_are_left_out() -> None:
    module = Decay()
    first = next(module.parameters()).requires_grad_(False)
    own = {"interior": torch.rand(8, 1), "boundary": torch.tensor([[0.0], [1.0]])}
    assert term_spectra(module, own)["plain"]["pde"].size == sum(p.numel() for p in module.parameters()) - first.numel()


def test_the_module_comes_back_after_an_error() -> None:
    module = Decay()
    before = list(module.parameters())
    with pytest.raises(ValueError, match="`coordinates` must be 2"):
        weighted_losses(module, {"interior": torch.rand(3, 2), "boundary": torch.rand(2, 1)}, before)
    assert all(a is b for a, b in zip(before, module.parameters(), strict=True))
    assert torch.get_default_dtype() == torch.float32
