"""Every variant on domains with parameters, without formulas for their points, and of points."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import Tensor

from helpers.domains import CLOUD, Ring
from helpers.toys import fit
from helpers.waves import MAKE
from lightning_autobalance.data import CollocationPoints
from lightning_autobalance.module import PINNModule
from lightning_autobalance.nets import MLP, FuzzyNet
from lightning_autobalance.points import Domain, Interval, ParameterRange, PointCloud, TimeCylinder
from lightning_autobalance.variants import CWP, RAD, CoPINN, RoPINN, Variant

PARAMETRIC = TimeCylinder(Interval(0.0, 1.0), (0.0, 1.0)) * ParameterRange("nu", 0.01, 1.0, log=True)
OWN = TimeCylinder(Ring(), (0.0, 1.0))
DOMAINS: dict[str, Domain] = {
    "parametric": PARAMETRIC,
    "own": OWN,
    "own_parametric": OWN * ParameterRange("c", 1.0, 2.0),
    "cloud": TimeCylinder(CLOUD, (0.0, 1.0)),
}


class Decaying(PINNModule):
    """u_t = nu u_xx, with u = sin x at the start and on the boundary; nu is 1 or a parameter."""

    def residuals(self, points: Mapping[str, Tensor]) -> dict[str, Tensor]:
        x = points["interior"]
        first, u_xx = self.partials(x, "t" if "t" in self.domain.coordinates else "x", "xx")
        nu = x[:, -1:] if "nu" in self.domain.coordinates else 1.0
        around = torch.cat([points[part] for part in points if part != "interior"])
        return {"pde": first - nu * u_xx, "edge": self(around) - torch.sin(around[:, :1])}


def train(domain: Domain, variant: Variant, tmp_path: Path, net: str = "mlp", **counts: int) -> Decaying:
    torch.manual_seed(0)
    kind = type("Own", (Decaying,), {"domain": domain})
    d = len(domain.coordinates)
    fuzzy = net == "fuzzy"
    own = FuzzyNet(d, 1, [6], head=3, rules=3, bounds=list(domain.bounds)) if fuzzy else MLP(d, 1, [6, 6])
    module = kind(net=own, variant=variant)
    parts = {"interior": 24, "boundary": 6} | ({"initial": 5} if "initial" in domain.parts else {}) | counts
    data = CollocationPoints(parts, seed=0, steps_per_epoch=4)
    assert fit(module, tmp_path, data, max_steps=8).global_step == 8
    assert all(p.isfinite().all() for p in module.parameters())
    assert all(torch.isfinite(torch.tensor(v)) for v in module.latest.values())
    return module


@pytest.mark.parametrize("name", MAKE)
@pytest.mark.parametrize("domain", DOMAINS.values(), ids=DOMAINS)
def test_it_trains(name: str, domain: Domain, tmp_path: Path) -> None:
    train(domain, MAKE[name](), tmp_path)


@pytest.mark.parametrize("domain", DOMAINS.values(), ids=DOMAINS)
def test_the_fuzzy_network_trains(domain: Domain, tmp_path: Path) -> None:
    train(domain, MAKE["MeanSquares"](), tmp_path, net="fuzzy")


@pytest.mark.parametrize("name", sorted(MAKE.keys() - {"Causal", "GrowingTime", "Stack"}))
def test_without_time_it_trains(name: str, tmp_path: Path) -> None:
    train(CLOUD, MAKE[name](), tmp_path)


@pytest.mark.parametrize("name", ["Causal", "GrowingTime"])
@pytest.mark.parametrize("domain", [Ring(), Ring() * ParameterRange("c", 1.0, 2.0), CLOUD])
def test_without_time_what_needs_it_is_refused(domain: Domain, name: str, tmp_path: Path) -> None:
    with pytest.raises(MisconfigurationException, match=f"{name} needs a domain with a coordinate t, got"):
        train(domain, MAKE[name](), tmp_path)


def test_points_that_are_replaced_come_from_the_cloud(tmp_path: Path) -> None:
    """Also where more candidates are asked for than it has points."""
    for variant in (RAD(interval=2, candidates=10**5, seed=0), CWP(resample_every=2, candidates=10**4, seed=0)):
        module = train(CLOUD, variant, tmp_path)
        apart = torch.cdist(module.variant.current.double(), torch.from_numpy(CLOUD.grid(10**4)))
        assert apart.min(dim=1).values.max() < 1e-6


def test_points_that_are_replaced_stay_in_the_domain_and_its_parameters(tmp_path: Path) -> None:
    for variant in (RAD(interval=2, candidates=500, seed=0), CWP(resample_every=2, seed=0)):
        module = train(OWN * ParameterRange("c", 1.0, 2.0), variant, tmp_path)
        assert module.domain.contains(module.variant.current.double().numpy()).mean() > 0.95  # of float32


def test_displaced_points_can_be_kept_within_the_range_of_a_parameter(tmp_path: Path) -> None:
    variant = RoPINN(radius=10.0, limit=0.5, clamp=True, side="both", seed=0)
    train(PARAMETRIC, variant, tmp_path)
    x = torch.tensor([[0.5, 0.5, 0.02]]).repeat(100, 1)
    nu = variant.perturb({"interior": x})["interior"][:, 2]
    assert nu.min() == torch.tensor(0.01)
    assert nu.max() <= 1


def test_difficulty_counts_the_parameter_as_a_coordinate(tmp_path: Path) -> None:
    train(PARAMETRIC, CoPINN(beta=0.5, detach=False), tmp_path)


def test_a_flat_cloud_has_neighbours(tmp_path: Path) -> None:
    flat = PointCloud([[i / 30, 1.0] for i in range(30)], {"boundary": [[i / 9, 1.0] for i in range(6)]})
    train(flat, CWP(resample_every=3, seed=0), tmp_path)


def test_a_cloud_smaller_than_the_check_of_residuals(tmp_path: Path) -> None:
    small = PointCloud([[i / 7, (i % 3) / 3] for i in range(8)], {"wall": [[0.0, 0.0], [1.0, 1.0]]})
    train(small, MAKE["MeanSquares"](), tmp_path, interior=8, boundary=2)
    with pytest.raises(
        MisconfigurationException, match=r"`data.points` must fit .*'interior', 9 over .* only 8 points"
    ):
        train(small, MAKE["MeanSquares"](), tmp_path, interior=9, boundary=2)
