"""Spectra of Hessians against dense eigenvalues, and condition numbers by hand."""

import pytest
import torch
from torch import Tensor, nn

from lightning_autobalance.jacobian import Spectrum, effective_condition_number, hessian_spectrum, spectrum_of
from lightning_autobalance.nets import MLP
from lightning_autobalance.problems import Helmholtz2D

N = 921  # parameters of a 3 x 20 network of two coordinates


def exactly(*eigenvalues: float) -> Spectrum:
    values = torch.tensor(eigenvalues, dtype=torch.float64)
    return Spectrum(values, torch.full_like(values, 1 / len(values)), len(values), exact=True)


@pytest.fixture(scope="module")
def module() -> Helmholtz2D:
    torch.manual_seed(0)
    return Helmholtz2D(a1=1, a2=1, net=MLP(2, 1, [20, 20, 20])).double()


@pytest.fixture(scope="module")
def points() -> dict[str, Tensor]:
    inside = torch.rand(10, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return {"interior": 2 * inside - 1, "boundary": torch.tensor([[1.0, 0.5], [-0.3, -1.0]], dtype=torch.float64)}


@pytest.fixture(scope="module")
def reference(module: Helmholtz2D, points: dict[str, Tensor]) -> Tensor:
    """Eigenvalues of the dense Hessian, by torch's own transforms, for parameters and coordinates alike."""
    x = points["interior"]
    names, shapes = zip(*[(name, p.shape) for name, p in module.net.named_parameters()], strict=True)
    sizes = [shape.numel() for shape in shapes]

    def loss(flat: Tensor) -> Tensor:
        own = {n: part.view(s) for n, part, s in zip(names, flat.split(sizes), shapes, strict=True)}

        def field(at: Tensor) -> Tensor:
            return torch.func.functional_call(module.net, own, (at[None],))[0, 0]

        second = torch.func.vmap(torch.func.jacrev(torch.func.jacrev(field)))(x)
        laplacian = second.diagonal(dim1=1, dim2=2).sum(dim=1)
        exact = torch.sin(torch.pi * x).prod(dim=1)
        u = torch.func.vmap(field)(x)
        return (laplacian + u - (1 - 2 * torch.pi**2) * exact).square().mean()

    flat = nn.utils.parameters_to_vector(module.net.parameters()).detach()
    return torch.linalg.eigvalsh(torch.func.jacrev(torch.func.grad(loss), chunk_size=128)(flat))


def test_a_3_x_20_network_against_dense_eigenvalues(
    module: Helmholtz2D, points: dict[str, Tensor], reference: Tensor
) -> None:
    largest = reference.abs().max()
    exact = hessian_spectrum(module.losses(points)["pde"], list(module.net.parameters()))
    assert exact.exact
    assert exact.eigenvalues.shape == (N,)
    assert (exact.eigenvalues - reference).abs().max() <= 1e-6 * largest


def test_lanczos_of_a_3_x_20_network_against_dense_eigenvalues(
    module: Helmholtz2D, points: dict[str, Tensor], reference: Tensor
) -> None:
    largest = reference.abs().max()
    loss, params = module.losses(points)["pde"], list(module.net.parameters())
    ritz = hessian_spectrum(loss, params, exact_up_to=0, steps=200)
    assert not ritz.exact
    both_ends = [0, 1, 2, 3, 4, -5, -4, -3, -2, -1]
    assert (ritz.eigenvalues[both_ends] - reference[both_ends]).abs().max() <= 1e-6 * largest
    exact = Spectrum(reference, torch.full_like(reference, 1 / N), N, exact=True)
    assert effective_condition_number(ritz) == pytest.approx(effective_condition_number(exact), rel=0.02)


def test_a_preconditioned_spectrum_by_hand() -> None:
    w = torch.tensor([1.0, 1.0], dtype=torch.float64, requires_grad=True)
    loss = (w[0] ** 2 + 10_000 * w[1] ** 2) / 2
    plain = hessian_spectrum(loss, [w])
    scaled = hessian_spectrum(loss, [w], torch.tensor([1.0, 0.01], dtype=torch.float64))
    assert plain.eigenvalues.tolist() == pytest.approx([1.0, 10_000.0])
    assert scaled.eigenvalues.tolist() == pytest.approx([1.0, 1.0])
    assert effective_condition_number(plain, cutoff=0) == pytest.approx(10_000)
    assert effective_condition_number(scaled, cutoff=0) == pytest.approx(1)


def test_means_over_a_lanczos_spectrum_do_not_hang_on_the_start_vector() -> None:
    values = torch.cat([torch.tensor([1000.0, -300.0, 80.0]), torch.linspace(-1, 1, 400)]).double()
    exact = effective_condition_number(Spectrum(values, torch.full_like(values, 1 / 403), 403, exact=True))
    for seed in range(5):
        generator = torch.Generator().manual_seed(seed)
        found = spectrum_of(lambda v: values * v, values, exact_up_to=0, steps=40, generator=generator)
        assert float(found.weights.sum()) == pytest.approx(1)
        assert effective_condition_number(found) == pytest.approx(exact, rel=0.05)  # 60 % off by the raw weights


@pytest.mark.parametrize(("values", "mean"), [([0.0] * 60 + [5.0] * 40, 2.0), ([1.0] * 50, 1.0), ([0.0] * 50, 0.0)])
def test_multiple_eigenvalues_keep_their_weight(values: list[float], mean: float) -> None:
    diagonal = torch.tensor(values, dtype=torch.float64)
    found = spectrum_of(lambda v: diagonal * v, diagonal, exact_up_to=0, probes=400)
    assert float((found.weights * found.eigenvalues).sum()) == pytest.approx(mean, abs=0.1)


def test_several_probes_are_averaged_and_the_random_state_is_left() -> None:
    values = torch.linspace(0, 1, 50).double()
    before = torch.get_rng_state()
    found = spectrum_of(lambda v: values * v, values, exact_up_to=49, steps=4, probes=3)
    assert torch.equal(before, torch.get_rng_state())
    assert found.eigenvalues.shape == (12,)
    assert (found.eigenvalues.diff() >= 0).all()
    assert float(found.weights.sum()) == pytest.approx(1)


def test_condition_numbers_by_hand() -> None:
    spectrum = exactly(-8.0, 0.0, 0.004, 2.0)
    assert effective_condition_number(spectrum) == pytest.approx(8 * 4 / 10.004)
    assert effective_condition_number(spectrum, cutoff=0) == pytest.approx(2000)
    assert effective_condition_number(spectrum, cutoff=0.01) == pytest.approx(4)
    assert effective_condition_number(exactly(0.0, 0.0)) == float("inf")


def test_bad_arguments() -> None:
    like = torch.ones(3, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"`cutoff` must be in \[0, 1\), got 1"):
        effective_condition_number(exactly(1.0), cutoff=1.0)
    for name in ("steps", "probes"):
        with pytest.raises(ValueError, match=f"`{name}` must be >= 1, got 0"):
            spectrum_of(torch.clone, like, **{name: 0})
    for limit in (0, 3):
        with pytest.raises(ValueError, match="The Hessian must be finite, got NaN"):
            spectrum_of(lambda v: v * float("nan"), like, exact_up_to=limit)
