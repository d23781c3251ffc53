"""Measurements in batches: every row once an epoch, a pure function of seed and step."""

import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch

from lightning_autobalance.points import Interval, MeasuredParts, Measurements
from lightning_autobalance.points.measured_parts import MeasuredPart

LINE = Interval(0.0, 1.0)
CPU = torch.device("cpu")


def given(n: int = 10, **options: object) -> Measurements:
    x = np.linspace(0, 1, n)
    return Measurements({"x": x}, {"u": 2 * x}, **options)  # type: ignore[arg-type]


def read(sets: object, processes: int = 1) -> MeasuredParts:
    parts = MeasuredParts(sets)  # type: ignore[arg-type]
    assert parts.read(LINE, ("u",), processes) == []
    return parts


def numbers(part: MeasuredPart, steps: int, seed: int = 0) -> list[list[int]]:
    return [part.rows(step, seed).tolist() for step in range(steps)]


def test_every_row_comes_once_in_an_epoch() -> None:
    part = MeasuredPart("data", given(10, batch=4), LINE, ("u",))
    taken = [row for batch in numbers(part, 10) for row in batch]
    assert [sorted(taken[i : i + 10]) for i in range(0, 40, 10)] == [list(range(10))] * 4
    assert taken[:10] != taken[10:20]
    assert {len(batch) for batch in numbers(part, 10)} == {4}


def test_a_batch_follows_from_seed_and_step_alone() -> None:
    part = MeasuredPart("data", given(10, batch=4), LINE, ("u",))
    found = numbers(part, 10)
    fresh = MeasuredPart("data", given(10, batch=4), LINE, ("u",))
    assert [fresh.rows(step, 0).tolist() for step in (7, 2, 9, 0)] == [found[step] for step in (7, 2, 9, 0)]
    assert numbers(fresh, 10, seed=1) != found
    assert numbers(MeasuredPart("probes", given(10, batch=4), LINE, ("u",)), 10) != found


def test_inputs_and_targets_stay_together() -> None:
    parts = read({"data": given(10, batch=4), "probes": given(3)})
    found = parts.at(3, 0, CPU, torch.float32)
    assert {name: tuple(x.shape) for name, x in found.items()} == {
        "data": (4, 1),
        "data_targets": (4, 1),
        "probes": (3, 1),
        "probes_targets": (3, 1),
    }
    for name in ("data", "probes"):
        assert torch.equal(found[f"{name}_targets"], 2 * found[name])
    assert found["data"].dtype == torch.float32
    assert len(parts.at(3, 0, CPU, torch.float64, whole=True)["data"]) == 10
    assert parts.values == 13


def test_a_batch_as_large_as_the_rows_is_all_of_them() -> None:
    found = read(given(10, batch=10)).at(5, 0, CPU, torch.float64)["data"]
    assert torch.equal(found[:, 0], torch.from_numpy(np.linspace(0, 1, 10)))


def test_numbers_beyond_single_precision() -> None:
    too_large = Measurements({"x": [0.1, 0.2]}, {"u": [1.0, -1e39]})
    with pytest.raises(ValueError, match=r"its column 'targets u' must be below 3e\+38, got -1e\+39 in row 2"):
        read(too_large)


def test_one_row() -> None:
    parts = read(given(1))
    assert parts.at(0, 0, CPU, torch.float32)["data"].tolist() == [[0.0]]
    assert len(parts.few()["data"]) > 3


def test_noise() -> None:
    assert MeasuredParts({"a": given(noise_std=0.1), "b": given()}).noise == {"a": 0.1}


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        ({"a b": given()}, "names that are words without '_targets', got 'a b'"),
        ({"a_targets": given()}, "names that are words without '_targets', got 'a_targets'"),
    ],
)
def test_bad_names(sets: dict[str, Measurements], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MeasuredParts(sets)


def test_what_is_no_measurement() -> None:
    with pytest.raises(ValueError, match="must be `Measurements`, or these by name, got 3 for 'a'"):
        MeasuredParts({"a": 3})


def test_options_as_in_yaml() -> None:
    options = {"inputs": {"x": np.linspace(0, 1, 10)}, "targets": {"u": np.zeros(10)}, "batch": 4}
    one, named = read(options), read({"probes": options})
    assert list(one.state_dict()) == ["data"]
    assert list(named.state_dict()) == ["probes"]
    with pytest.raises(ValueError, match=r"'data' must have the options .*got 'bach'. Did you mean 'batch'?"):
        MeasuredParts({**options, "bach": 3})
    with pytest.raises(ValueError, match="`measurements` 'a' must have `inputs` and `targets`, got no targets"):
        MeasuredParts({"a": {"inputs": ["x"]}})


def test_names_of_parts_and_too_few_rows() -> None:
    with pytest.raises(ValueError, match="must not have the name of a part of the domain"):
        read({"interior": given()})
    with pytest.raises(ValueError, match="'data' from the arrays must give each of 3 processes a row, got 2"):
        read(given(batch=2), processes=3)


def test_notes_and_errors_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "wake.csv"
    path.write_text("x,u\n0.1,1\n0.1,2\n0.5,\n0.6,1\n0.7,1\n9,1\n")
    (note,) = MeasuredParts(Measurements(["x"], ["u"], str(path))).read(LINE, ("u",), 1)
    for part in ("wake.csv", "1 of 6 rows", "row 3, where 'u'", "in row 6", "column 'x' goes", "rows 1 and 2"):
        assert part in note
    path.write_text("x,u\n0.1,one\n")
    with pytest.raises(ValueError, match=r"'data' from '.*wake.csv' cannot be used.*'u' must be numbers, got 'one' in"):
        read(Measurements(["x"], ["u"], str(path)))


def test_a_changed_file_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "wake.csv"
    path.write_text("x,u\n0.1,1\n0.2,2\n")
    state = read(Measurements(["x"], ["u"], str(path))).state_dict()
    read(Measurements(["x"], ["u"], str(path))).check_state(state)
    path.write_text("x,u\n0.1,1\n0.2,2.0001\n")
    with pytest.raises(ValueError, match=r"`measurements` 'data' must be as in the checkpoint, got others from .*wake"):
        read(Measurements(["x"], ["u"], str(path))).check_state(state)
    with pytest.raises(ValueError, match=r"must be as in the checkpoint, \['data'\], got \[\]"):
        MeasuredParts(None).check_state(state)


def test_another_batch_is_noticed() -> None:
    state = read(given(batch=4)).state_dict()
    with pytest.raises(ValueError, match="`batch` of `measurements` 'data' must be as in the checkpoint, 4, got 5"):
        read(given(batch=5)).check_state(state)


def seconds_per_step(n: int) -> float:
    parts = read(given(n, batch=500))
    for step in range(20):
        parts.at(step, 0, CPU, torch.float32)
    start = time.process_time()
    for step in range(20, 320):
        parts.at(step, 0, CPU, torch.float32)
    return (time.process_time() - start) / 300


def test_a_step_takes_no_longer_with_a_million_rows() -> None:
    assert seconds_per_step(1_000_000) < 3 * seconds_per_step(1000) + 5e-4  # a step takes milliseconds


def test_a_million_rows_take_the_memory_of_their_file(tmp_path: Path) -> None:
    x = np.random.default_rng(0).random(1_000_000)
    np.savez(tmp_path / "many.npz", x=x, u=x)
    size = (tmp_path / "many.npz").stat().st_size
    tracemalloc.start()
    parts = read(Measurements(["x"], ["u"], str(tmp_path / "many.npz"), batch=500))
    parts.at(0, 0, CPU, torch.float32)
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 1.3 * size  # the numbers, and 4 bytes a row for the order of the epoch
    assert peak < 5 * size
