"""Tests mirror the sources: ``src/.../<room>/<file>.py`` is tested by ``tests/<room>/test_<file>.py``."""

import ast
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "src" / "lightning_autobalance"
COVERED_BY = {  # a test file that runs over many files, and these files
    "balancing/aggregators/test_contract.py": (
        "balancing/aggregators/aligned_mtl.py",
        "balancing/aggregators/ca_grad.py",
        "balancing/aggregators/config.py",
        "balancing/aggregators/db_mtl.py",
        "balancing/aggregators/dual_proj.py",
        "balancing/aggregators/from_torch_jd.py",
        "balancing/aggregators/grad_vac.py",
        "balancing/aggregators/imtl_g.py",
        "balancing/aggregators/m_config.py",
        "balancing/aggregators/mgda.py",
        "balancing/aggregators/nash_mtl.py",
        "balancing/aggregators/pc_grad.py",
        "balancing/aggregators/up_grad.py",
    ),
    "problems/test_contract.py": (
        "problems/allen_cahn_1d.py",
        "problems/burgers_1d.py",
        "problems/convection_1d.py",
        "problems/elasticity_2d.py",
        "problems/gray_scott_1d.py",
        "problems/heat_long_time_2d.py",
        "problems/heat_inverse_2d.py",
        "problems/poisson_inverse_noisy_2d.py",
        "problems/heat_nd.py",
        "problems/poisson_nd.py",
        "problems/wave_1d.py",
        "problems/lid_driven_cavity.py",
        "problems/heat_multiscale_2d.py",
        "problems/poisson_boltzmann_2d.py",
        "problems/poisson_2d_classic.py",
        "problems/helmholtz_2d.py",
        "problems/kdv_1d.py",
        "problems/kovasznay.py",
        "problems/kuramoto_sivashinsky_1d.py",
        "problems/poisson_inverse_2d.py",
        "problems/reaction_diffusion_1d.py",
        "problems/wave_2d.py",
    ),
}


def has_logic(source: str) -> bool:
    """Whether a file defines a function or a class; files of constants and type aliases do not."""
    definitions = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return any(isinstance(node, definitions) for node in ast.walk(ast.parse(source)))


def mirrored(source: str) -> str:
    """The test file of a source file, relative to ``tests``."""
    path = Path(source)
    return path.with_name(f"test_{path.name}").as_posix()


def without_test(sources: Iterable[str], tests: Collection[str], covered: Collection[str]) -> list[str]:
    """Source files that have no test file of their own and no other that covers them."""
    return [source for source in sources if mirrored(source) not in tests and source not in covered]


def wrong_exceptions(
    covered_by: Mapping[str, Iterable[str]], sources: Collection[str], tests: Collection[str]
) -> list[str]:
    """Exceptions whose test file or source file does not exist, or that have a test file of their own."""
    wrong = [f"{test} does not exist" for test in covered_by if test not in tests]
    for source in [source for covered in covered_by.values() for source in covered]:
        if source not in sources:
            wrong.append(f"{source} does not exist")
        elif mirrored(source) in tests:
            wrong.append(f"{source} has {mirrored(source)}")
    return wrong


def relative(root: Path) -> set[str]:
    """The Python files below a folder, relative to it."""
    return {path.relative_to(root).as_posix() for path in root.rglob("*.py")}


def sources_with_logic() -> list[str]:
    """The files of the package that need a test."""
    files = sorted(file for file in relative(PACKAGE) if not file.endswith("__init__.py"))
    return [file for file in files if has_logic((PACKAGE / file).read_text())]


def test_every_file_with_logic_has_a_test() -> None:
    covered = {source for sources in COVERED_BY.values() for source in sources}
    missing = without_test(sources_with_logic(), relative(TESTS), covered)
    assert not missing, f"give each a test file, such as tests/{mirrored(missing[0])}: {missing}"


def test_no_exception_is_wrong() -> None:
    assert not wrong_exceptions(COVERED_BY, sources_with_logic(), relative(TESTS))


# The checks themselves: each must be able to fail.


def test_there_are_files_to_check() -> None:
    assert {"field.py", "balancing/weightings/dwa.py"} <= set(sources_with_logic())
    assert not {"shapes.py", "__init__.py", "nets/__init__.py"} & set(sources_with_logic())


def test_logic_is_told_from_constants() -> None:
    assert has_logic("class A: ...")
    assert has_logic("if True:\n    async def f(): ...")
    assert not has_logic("from torch import Tensor\nScalar = Tensor\nF = lambda x: x")


def test_a_missing_test_is_found() -> None:
    tests = {"nets/test_mlp.py", "test_mlp2.py", "test_field.py"}
    assert without_test(["nets/mlp.py", "field.py"], tests, ()) == []
    assert without_test(["nets/mlp2.py", "nets/fuzzy.py", "mlp.py"], tests, {"nets/fuzzy.py"}) == [
        "nets/mlp2.py",
        "mlp.py",
    ]


def test_wrong_exceptions_are_found() -> None:
    sources, tests = {"nets/mlp.py", "nets/fuzzy.py"}, {"nets/test_contract.py", "nets/test_mlp.py"}
    assert wrong_exceptions({"nets/test_contract.py": ["nets/fuzzy.py"]}, sources, tests) == []
    assert wrong_exceptions(
        {"nets/test_contract.py": ["nets/mlp.py", "nets/old.py"], "nets/test_all.py": []}, sources, tests
    ) == ["nets/test_all.py does not exist", "nets/mlp.py has nets/test_mlp.py", "nets/old.py does not exist"]
