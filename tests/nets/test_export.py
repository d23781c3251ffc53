"""Networks leave Python: `torch.export` and ONNX give the same numbers, for any number of points."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from lightning_autobalance.nets import (
    MLP,
    FourierFeatures,
    FuzzyNet,
    ModifiedMLP,
    Parallel,
    Periodic,
    Transformed,
    ZeroAtStart,
    ZeroOnEdge,
)
from lightning_autobalance.problems import Helmholtz2D, PoissonInverse2D

BOX = [(-1.0, 1.0), (-1.0, 1.0)]
NETS: dict[str, Callable[[], nn.Module]] = {
    "mlp": lambda: MLP(2, 1, [8]),
    "sin": lambda: MLP(2, 1, [8], activation="sin"),
    "fourier": lambda: FourierFeatures(2, 1, [8], scales=[1.0, 2.0], waves=4),
    "fuzzy": lambda: FuzzyNet(2, 1, [8], bounds=BOX),
    "modified": lambda: ModifiedMLP(2, 1, [8]),
    "parallel": lambda: Parallel([MLP(2, 1, [8]), MLP(2, 1, [8])]),
    "periodic": lambda: Periodic(MLP(3, 1, [8]), [2.0, None]),
    "zero_on_edge": lambda: Transformed(MLP(2, 1, [8]), ZeroOnEdge(BOX)),
    "zero_at_start": lambda: Transformed(MLP(2, 1, [8]), ZeroAtStart(), lambda x: torch.sin(x[:, :1])),
}
ANY = ({0: torch.export.Dim("n")},)


@pytest.mark.filterwarnings("ignore:No complete tensor found:UserWarning")  # torch 2.13, of a buffer that is a view
@pytest.mark.parametrize("name", NETS)
def test_an_exported_module_gives_the_same_numbers(name: str, tmp_path: Path) -> None:
    make, dtype = NETS[name], torch.float64 if name in ("mlp", "periodic") else torch.float32
    module = Helmholtz2D(net=make()).to(dtype).eval()
    x = torch.rand(7, 2, dtype=dtype)
    torch.export.save(torch.export.export(module, (x,), dynamic_shapes=ANY), tmp_path / "u.pt2")
    found = torch.export.load(tmp_path / "u.pt2").module()
    for count in (7, 1000):
        other = torch.rand(count, 2, dtype=dtype)
        assert torch.equal(found(other), module(other))


def test_a_module_with_an_unknown_parameter_is_exported_with_it() -> None:
    module = PoissonInverse2D().eval()
    found = torch.export.export(module, (torch.rand(7, 2),), dynamic_shapes=ANY).module()
    other = torch.rand(13, 2)
    assert torch.equal(found(other), module(other))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # of the exporter itself
@pytest.mark.parametrize("name", ["fourier", "periodic", "zero_at_start"])  # two seconds each
def test_onnx_gives_the_same_numbers(name: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript", reason="the exporter to ONNX needs onnxscript")
    onnxruntime = pytest.importorskip("onnxruntime", reason="nothing else here computes with ONNX")
    module = Helmholtz2D(net=NETS[name]()).eval()
    program = torch.onnx.export(module, (torch.rand(7, 2),), dynamo=True, dynamic_shapes=ANY, verbose=False)
    assert program is not None
    program.save(tmp_path / "u.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "u.onnx")
    other = torch.rand(1000, 2)
    (found,) = session.run(None, {session.get_inputs()[0].name: other.numpy()})
    np.testing.assert_allclose(found, module(other).detach().numpy(), atol=2e-6)
