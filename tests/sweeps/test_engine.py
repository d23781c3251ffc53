"""Runs on workers of joblib: one at a time or several, on processes or on Dask, and past a worker's death."""

import os
from collections.abc import Iterator
from itertools import pairwise

import pytest

from helpers.sweeps import pretend, runs
from lightning_autobalance.sweeps import engine
from lightning_autobalance.sweeps.engine import Pool, connected, outcomes
from lightning_autobalance.sweeps.runs import Run
from lightning_autobalance.sweeps.worker import Outcome

pytest.importorskip("joblib", reason="joblib is not installed")


def ended(pool: Pool, *methods: str) -> list[Outcome[Run]]:
    with connected(pool) as (workers, backend):
        return list(outcomes(runs(*methods), workers, backend, pretend))


def overlap(found: list[Outcome[Run]]) -> bool:
    spans = sorted((o.result["began"], o.result["ended"]) for o in found if o.result)
    return any(end > begin for (_, end), (begin, _) in pairwise(spans))


@pytest.mark.parametrize("workers", [1, 2])
def test_as_many_runs_at_once_as_there_are_workers(workers: int) -> None:
    found = ended(Pool(workers), *"abcd")
    assert {o.run.method for o in found} == set("abcd")
    assert overlap(found) == (workers == 2)
    assert all(o.result and o.result["process"] != os.getpid() == o.result["parent"] for o in found)
    assert {o.result["omp"] for o in found if o.result} == {"1"}


def test_a_worker_that_dies_takes_only_the_runs_under_way_with_it() -> None:
    found = ended(Pool(1), "a", "die", "b", "c")
    assert [(o.run.method, bool(o.result)) for o in found] == [("a", True), ("die", False), ("b", True), ("c", True)]
    assert "a worker died" in found[1].error


def test_failures_come_back_as_data() -> None:
    assert {(o.run.method, o.error) for o in ended(Pool(2), "fail", "a")} == {("fail", "on purpose"), ("a", "")}


def test_two_workers_of_a_local_dask_cluster() -> None:
    pytest.importorskip("distributed", reason="dask's distributed is not installed")
    found = ended(Pool(2, "dask"), *"abcd", "fail")
    assert sorted(o.run.method for o in found) == ["a", "b", "c", "d", "fail"]
    assert overlap(found)
    assert len({o.result["process"] for o in found if o.result} - {os.getpid()}) == 2


@pytest.mark.slow
def test_a_run_that_dask_gives_up_costs_one_run() -> None:
    pytest.importorskip("distributed", reason="dask's distributed is not installed")
    found = {o.run.method: o for o in ended(Pool(2, "dask"), "a", "die", "b", "c")}
    assert {method for method, o in found.items() if o.result} == {"a", "b", "c"}
    assert "its workers died" in found["die"].error


@pytest.fixture
def cluster(request: pytest.FixtureRequest) -> Iterator[str]:
    distributed = pytest.importorskip("distributed", reason="dask's distributed is not installed")
    options = {"n_workers": 2, "processes": False, "dashboard_address": None, "protocol": "tcp"}
    with distributed.LocalCluster(**options, threads_per_worker=request.param) as started:
        yield started.scheduler_address


@pytest.mark.parametrize("cluster", [1], indirect=True)
def test_a_cluster_that_is_there_is_used_whole(cluster: str) -> None:
    with connected(Pool(backend="dask", scheduler=cluster)) as (workers, backend):
        assert workers == 2
        assert len(list(outcomes(runs("a", "b"), workers, backend, pretend))) == 2
    with connected(Pool(1, "dask", cluster)) as (workers, backend):
        assert not overlap(list(outcomes(runs(*"abc"), workers, backend, pretend)))


@pytest.mark.parametrize("cluster", [2], indirect=True)
def test_workers_of_several_threads_are_refused(cluster: str) -> None:
    with (
        pytest.raises(ValueError, match=r"workers of one thread each, got workers of \[2\] threads.*--nthreads 1"),
        connected(Pool(backend="dask", scheduler=cluster)),
    ):
        pass


@pytest.mark.parametrize(
    ("pool", "said"),
    [
        ((0,), "`workers` must be >= 1, got 0"),
        ((1, "ray"), "`backend` must be one of loky, dask, got ray"),
        ((1, "loky", "tcp://a:1"), "`scheduler` needs `backend` dask, got loky. Add --backend dask"),
    ],
)
def test_what_does_not_fit_is_refused(pool: tuple[int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Pool(*pool)


@pytest.mark.parametrize(("backend", "extra"), [("loky", "bench"), ("dask", "dask")])
def test_a_missing_package_is_named_with_its_extra(backend: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=rf'needs joblib.*pip install "lightning-autobalance\[{extra}\]"'):
        Pool(1, backend)
