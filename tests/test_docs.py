"""What the docs show is run: every file, every command, every Python block; their numbers come from results files."""

import importlib
import importlib.util
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
import yaml

from benchmarks import accuracy_page, bad_inputs, docs, gallery, method_cost, quickstart, report, variant_cost
from benchmarks.peers import command as peers
from benchmarks.race import page as race_page
from helpers.sweeps import trained
from lightning_autobalance import balancing, nets, step
from lightning_autobalance.callbacks import HistoryPlotter, SolutionPlotter
from lightning_autobalance.cli import main
from lightning_autobalance.cli.lightning_cli import run
from lightning_autobalance.cli.packaged_configs import find
from lightning_autobalance.sweeps.product import plan

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(path.relative_to(DOCS) for path in DOCS.rglob("*.md") if path.parent.name != "api")
FENCE = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.DOTALL | re.MULTILINE)
COMMANDS = ("lightning-autobalance", "lightning")
TRAINED = ("fit", "validate")
NOT_OURS = ("tensorboard", "wait", "mkdocs", "pip", "git", "python")  # first words of lines that are not run
QUIET = [
    "--trainer.accelerator=cpu",
    "--trainer.enable_progress_bar=false",
    "--trainer.enable_model_summary=false",
    "--data.eval_points=100",
]


def text_of(page: Path) -> str:
    return (DOCS / page).read_text()


def blocks(page: Path) -> list[tuple[str, str, str]]:
    """Language, file name or nothing, and text of a page's fenced blocks."""
    return FENCE.findall(text_of(page))


def commands(page: Path) -> list[str]:
    """The lines of a page's shell blocks."""
    return [line for language, _, text in blocks(page) if language == "bash" for line in text.splitlines()]


def shortened(arguments: list[str]) -> list[str]:
    """The same run with a thousandth of its steps; a handful where the line does not say how many. One of a finish."""
    short = [
        str(max(2, -(-int(b) // 1000))) if a == "--trainer.max_steps" else b
        for a, b in zip(["", *arguments], arguments, strict=False)
    ]
    if arguments[0] == "advise":
        return [*short, "--budget=4"]
    if "fit" not in arguments:
        return short
    steps = [] if "--trainer.max_steps" in arguments else ["--trainer.max_steps=3"]
    read = [find(b[1:]) if b[0] == "@" else Path(b) for a, b in pairwise(arguments) if a == "--config"]
    finishes = "--model.finish" in arguments or any("finish:" in config.read_text() for config in read)
    few = ["--model.finish.steps=1", "--data.points.interior=50"]
    return [*short, *steps, *(few if finishes else [])]


def fenced_errors() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for name, quoted in re.findall(
            r"<!-- error:begin (\S+) -->\n(.*?)\n<!-- error:end -->", text_of(page), re.DOTALL
        ):
            yield name, " ".join(line.removeprefix(">").strip() for line in quoted.splitlines())


ERRORS = dict(fenced_errors())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the files of the quickstart and the configurations; what is imported from it is forgotten."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(SolutionPlotter, "_draw", lambda *_: None)  # half a second a picture, tested elsewhere
    monkeypatch.setattr(SolutionPlotter, "_draw_times", lambda *_: None)
    monkeypatch.setattr(HistoryPlotter, "on_train_end", lambda *_: None)
    monkeypatch.setattr("lightning_autobalance.callbacks.hessian_spectrum.save_figure", lambda *_: None)  # likewise
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    for name, text in quickstart.files_of((ROOT / quickstart.PAGE).read_text()).items():
        (tmp_path / name).write_text(text)
    before, threads = set(sys.modules), torch.get_num_threads()
    torch.set_num_threads(1)
    yield tmp_path
    torch.set_num_threads(threads)
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def write_files(page: Path, folder: Path) -> None:
    for _, name, text in blocks(page):
        if name:
            (folder / name).write_text(text)


def carry_out(line: str) -> None:
    """Run a line of a shell block, or, where it needs other hardware or more processes, read its configuration."""
    words = shlex.split(line.removesuffix("&"))
    environment = [word for word in words if word.startswith("CUDA_VISIBLE_DEVICES=")]
    arguments = words[len(environment) + 1 :]
    assert words[len(environment)] in COMMANDS, f"a line that the test cannot run: {line}"
    if environment or arguments[-1] in ("--help", "--print_config") or {"--workers", "fit"} <= {*arguments}:
        arguments = arguments if arguments[-1] == "--help" else [*arguments, "--print_config"]
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        assert stopped.value.code == 0
    elif arguments[0] == "sweep":
        carry_out_sweep(Path(arguments[1]))
    else:
        main([*shortened(arguments), *(QUIET if arguments[0] in TRAINED else ())])


def carry_out_sweep(path: Path) -> None:
    """A sweep's configurations, the first of each kind, for a few steps and in this process."""
    runs = plan(path).runs
    for wanted in {(each.problem, each.variant): each for each in reversed(runs)}.values():
        small = ("--data.eval_points=100", "--trainer.enable_model_summary=false")
        assert trained(replace(wanted, iterations=2, options=(*wanted.options, *small)))["mse"] > 0


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_what_a_page_shows_works(page: Path, folder: Path) -> None:
    write_files(page, folder)
    for line in commands(page):
        if line.split()[0] in NOT_OURS or "--trainer.devices 2" in line:
            continue
        carry_out(line)
    for language, name, text in blocks(page):
        if language == "python" and not name:
            short = text.replace("range(2000)", "range(3)").replace("max_steps=2000", "max_steps=3, accelerator='cpu'")
            exec(re.sub(r"\(steps=\d+\)", "(steps=1)", short), {})


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_configuration_on_a_page_is_run_by_a_command_on_it(page: Path) -> None:
    for language, name, text in blocks(page):
        assert language in ("python", "yaml", "bash", "text"), f"{language}: nothing runs it"
        if language == "yaml":
            assert yaml.safe_load(text)
            assert name, "a configuration needs a title: the name of its file"
            assert any(f"--config {name}" in line or f"sweep {name}" in line for line in commands(page)), (
                f"no command on the page reads {name}"
            )


@pytest.mark.slow
def test_several_devices_work_as_the_page_says(folder: Path) -> None:
    (line,) = (line for line in commands(Path("how-to/multi-gpu.md")) if "--trainer.devices 2" in line)
    command = [sys.executable, "-m", "lightning_autobalance", *shortened(shlex.split(line)[1:]), *QUIET]
    done = subprocess.run([*command, "--trainer.accelerator=cpu"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Starting with 2 processes" in done.stderr


def test_half_precision_is_refused_as_the_page_says(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["fit", "--config=my_pde.yaml", "--trainer.precision=16-mixed", *QUIET])
    assert ERRORS["16-mixed"] in " ".join(capsys.readouterr().err.split())


def test_every_quoted_error_is_compared() -> None:
    assert set(ERRORS) == {"16-mixed"}


# What single pages claim.


def module_of(page: str, name: str, folder: Path) -> ModuleType:
    write_files(Path(page), folder)
    spec = importlib.util.spec_from_file_location(Path(name).stem, folder / name)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_balancers_are_right(folder: Path) -> None:
    jacobian = torch.tensor([[3.0, 4.0], [-1.0, 0.0], [0.0, 0.0]], dtype=torch.float64)
    unit_sum = module_of("how-to/new-balancer.md", "unit_sum.py", folder).UnitSum()
    torch.testing.assert_close(unit_sum(jacobian), torch.tensor([0.6 - 1.0, 0.8], dtype=torch.float64))
    running = module_of("how-to/new-balancer.md", "mean_gradient_norm.py", folder).MeanGradientNorm(decay=0.5)
    view = type("View", (), {"jacobian": torch.tensor([[3.0, 4.0], [0.0, 1.0]])})
    torch.testing.assert_close(running(view), torch.tensor([1.0, 5.0]))
    view.jacobian = torch.tensor([[9.0, 0.0], [0.0, 3.0]])  # running norms 7 and 2
    torch.testing.assert_close(running(view), torch.tensor([1.0, 3.5]))
    fresh = type(running)()
    fresh.load_state_dict(running.state_dict())
    torch.testing.assert_close(fresh.norms, torch.tensor([7.0, 2.0]))


def test_every_balancer_is_in_the_reference() -> None:
    listed = re.findall(
        r"^::: lightning_autobalance\.balancing\.(\w+)$", text_of(Path("api/balancing.md")), re.MULTILINE
    )
    assert sorted(listed) == sorted(balancing.__all__)


def test_every_network_is_in_the_reference() -> None:
    listed = re.findall(r"^::: lightning_autobalance\.nets\.(\w+)$", text_of(Path("api/nets.md")), re.MULTILINE)
    assert sorted(listed) == sorted(nets.__all__)


def test_every_stage_is_in_the_reference() -> None:
    listed = re.findall(r"^::: lightning_autobalance\.step\.([\w.]+)$", text_of(Path("api/step.md")), re.MULTILINE)
    names = {name.rsplit(".", 1)[-1] for name in listed}
    assert names == {*step.__all__, "TermLosses", "CompiledGradients"} - {"LossStage"}  # an alias of two of these


def test_what_the_reference_names_exists() -> None:
    named = [
        name
        for page in (DOCS / "api").glob("*.md")
        for name in re.findall(r"^::: (\S+)$", page.read_text(), re.MULTILINE)
    ]
    assert len(named) > 100
    assert [name for name in named if not exists(name)] == []


def exists(name: str) -> bool:
    """Whether a dotted name is an attribute of a module."""
    module, _, attribute = name.rpartition(".")
    try:
        return hasattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError:
        return False


def test_boundary_values_of_yaml_are_exact_and_keep_taylor_mode(folder: Path) -> None:
    write_files(Path("how-to/hard-constraints.md"), folder)
    poisson, heat = (
        run(["fit", f"--config={name}.yaml", "--trainer.max_steps=2", *QUIET]).model
        for name in ("hard_poisson", "hard_heat")
    )
    edge = torch.tensor([[0.0, 0.3], [1.0, 0.7], [0.2, 0.0], [0.9, 1.0]])
    assert torch.equal(poisson(edge), torch.zeros(4, 1))
    at_start, at_ends = torch.tensor([[0.3, 0.0], [0.8, 0.0]]), torch.tensor([[0.0, 0.4], [1.0, 0.9]])
    torch.testing.assert_close(heat(at_start), heat.exact(at_start))
    torch.testing.assert_close(heat(at_ends), torch.zeros(2, 1))
    for hard in (poisson, heat):
        assert hard(torch.tensor([[0.5, 0.5]])).item() != 0
        assert hard.derivative_mode == "taylor"


def test_a_ready_problem_without_its_boundary_term(folder: Path) -> None:
    (block,) = (
        text for _, name, text in blocks(Path("how-to/hard-constraints.md")) if "Helmholtz2D" in text and not name
    )
    names: dict[str, Any] = {}
    exec(block, names)
    hard = names["HardHelmholtz2D"](net=names["net"])
    losses = hard.losses({"interior": torch.rand(5, 2)})
    assert list(losses) == ["pde"]


def test_boundary_values_by_an_own_forward_go_by_reverse_mode(folder: Path) -> None:
    write_files(Path("how-to/hard-constraints.md"), folder)
    hard = module_of("how-to/hard-constraints.md", "own_forward.py", folder).OwnForward()
    edge = torch.tensor([[0.0, 0.3], [1.0, 0.7], [0.2, 0.0], [0.9, 1.0]])
    assert torch.equal(hard(edge), torch.zeros(4, 1))
    assert hard(torch.tensor([[0.5, 0.5]])).item() != 0
    assert hard.derivative_mode == "reverse"
    with pytest.raises(TypeError, match="reverse"):
        type(hard)(derivatives="taylor").residuals({"interior": torch.rand(3, 2)})


def test_results_are_read_as_the_page_says(folder: Path) -> None:
    run(["fit", "--config=my_pde.yaml", "--trainer.max_steps=2", *QUIET])
    found = module_of("how-to/results.md", "read.py", folder)
    assert 0 < found.error < 10
    assert len(found.found["u"]) == 100


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # of the exporter itself
def test_a_module_goes_to_onnx_as_the_page_says(folder: Path) -> None:
    pytest.importorskip("onnxscript", reason="the exporter to ONNX needs onnxscript")
    pytest.importorskip("onnxruntime", reason="nothing else here computes with ONNX")
    module_of("how-to/results.md", "to_onnx.py", folder)  # which compares


def test_a_resumed_run_keeps_the_learning_rate_of_its_checkpoint(folder: Path) -> None:
    last = "runs/Poisson2D/version_0/checkpoints/last.ckpt"
    run(["fit", "--config=my_pde.yaml", "--trainer.max_steps=2", *QUIET])
    again = ["--trainer.max_steps=3", f"--ckpt_path={last}", "--model.optimizer.init_args.lr=0.5"]
    resumed = run(["fit", "--config=my_pde.yaml", *again, *QUIET])
    assert resumed.trainer.optimizers[0].param_groups[0]["initial_lr"] == 5e-3


@pytest.mark.slow
def test_the_inverse_problem_finds_its_coefficient(folder: Path) -> None:
    write_files(Path("how-to/inverse-problem.md"), folder)
    found = run(["fit", "--config=decay_rate.yaml", *QUIET])
    assert found.model.k.item() == pytest.approx(2.0, rel=0.05)


@pytest.mark.slow
def test_the_quickstart_is_accurate() -> None:
    files = quickstart.files_of((ROOT / quickstart.PAGE).read_text())
    (row,) = re.findall(r"val/rel_l2 .* ([\d.e+-]+) ", quickstart.run(files))
    assert float(row) < 0.05


# Numbers.


@pytest.fixture
def at_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def test_the_quickstart_shows_what_was_run(at_root: None) -> None:
    found: dict[str, Any] = yaml.safe_load(quickstart.OUT.read_text())
    assert quickstart.files_of(quickstart.PAGE.read_text()) == found["files"], "run python -m benchmarks quickstart"
    assert any("val/rel_l2" in line for line in found["output"])
    assert not any("steps/s" in line or "MiB" in line for line in found["output"])


def test_the_numbers_on_the_pages_are_those_of_the_results(at_root: None) -> None:
    for (page, name), body in docs.blocks().items():
        text = page.read_text()
        assert docs.between(text, name, body) == text, f"{page}: run python -m benchmarks docs"


def test_pages_have_no_block_of_numbers_that_nothing_writes(at_root: None) -> None:
    found = {(DOCS / page, name) for page in PAGES for name in re.findall(r"<!-- (\w+):begin -->", text_of(page))}
    elsewhere = {
        (page, "results") for page in (method_cost.PAGE, variant_cost.PAGE, bad_inputs.PAGE, peers.PAGE, report.PAGE)
    }  # each has its own command and test
    elsewhere |= {(race_page.PAGE, name) for name in race_page.blocks([])}  # likewise
    elsewhere |= {(gallery.PAGE, name) for name in ("overview", "problems")}  # likewise
    elsewhere |= {(page, name) for page, name in accuracy_page.blocks([], []) if page.parts[0] == "docs"}  # likewise
    assert found == {(ROOT / page, name) for page, name in {*docs.blocks(), *elsewhere}}


# Links.


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text_of(page)):
        assert target.startswith("https://") or (DOCS / page.parent / target).exists(), target


def test_the_site_has_every_page() -> None:
    listed = re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md"))


def test_the_build_sees_warnings() -> None:
    (line,) = (line for line in (ROOT / ".ci" / "run").read_text().splitlines() if "mkdocs build" in line)
    assert "--strict" in line
    assert "--quiet" not in line  # hides warnings from --strict, too
    assert " -q" not in line


def test_a_reader_needs_no_network() -> None:
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    files = [*config["extra_javascript"], *config["extra_css"]]
    assert [name for name in files if not (DOCS / name).is_file()] == []
    assert config["theme"]["font"] is False
    mathjax = DOCS / "javascripts" / "mathjax"
    (loaded,) = re.findall(r"load: \[(.*?)\]", (DOCS / "javascripts" / "mathjax.js").read_text())
    assert all((mathjax / f"{each}.js").is_file() for each in re.findall(r'"(.*?)"', loaded))
    fonts = re.findall(r"MathJax_[\w-]+\.woff", (mathjax / "output/chtml/fonts/tex.js").read_text())
    assert len(fonts) > 15
    assert all((mathjax / "output/chtml/fonts/woff-v2" / font.replace("%%URL%%/", "")).is_file() for font in fonts)


def test_addresses_of_the_site_are_those_of_pyproject(hooks: ModuleType) -> None:
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]
    given = hooks.on_config(SimpleNamespace(markdown_extensions=[]))
    assert (given.site_url, given.repo_url) == (urls["Documentation"], urls["Repository"])
    assert urls["Repository"].endswith(f"/{given.repo_name}")
    text = (ROOT / "mkdocs.yml").read_text()
    assert "site_url:" not in text
    assert "repo_url:" not in text


# The site's own code.


@pytest.fixture(scope="module")
def hooks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_hooks", DOCS / "hooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("The mean :math:`x_i`, see :func:`~a.b`.", r"The mean \(x_i\), see `a.b`."),
        ("Broken :math:`a +\nb`.", r"Broken \(a + b\)."),
        (".. math:: x = 1\n\nMore.", "\n$$\nx = 1\n$$\n\n\nMore."),
        (".. math:: x,\n    \\quad y\nMore.", "\n$$\nx,\n\\quad y\n$$\n\nMore."),
        (
            "A.\n\n.. math::\n    a &= b \\\\\n    c &= d\n\nB.",
            "A.\n\n\n$$\n\\begin{aligned}\na &= b \\\\\nc &= d\n\\end{aligned}\n$$\n\n\nB.",
        ),
        ("Nothing ``to`` do: a::b", "Nothing ``to`` do: a::b"),
    ],
)
def test_formulas_of_docstrings_become_markdown(hooks: ModuleType, written: str, shown: str) -> None:
    assert re.sub(r"\n+", "\n", hooks.markdown_of(written)) == re.sub(r"\n+", "\n", shown)


def test_all_formulas_of_the_package_become_markdown(hooks: ModuleType) -> None:
    texts = [path.read_text() for path in (ROOT / "src").rglob("*.py")]
    assert sum(len(hooks.left_over(text)) for text in texts) > 10
    assert [hooks.left_over(hooks.markdown_of(text)) for text in texts] == [[]] * len(texts)


def test_what_is_left_over_is_found(hooks: ModuleType) -> None:
    assert hooks.left_over("<p>.. math:: x</p><p>:math:<code>x</code> :func:</p>") == [".. math::", ":math:", ":func:"]
    assert not hooks.left_over("<p>a::b :x: ..</p>")
