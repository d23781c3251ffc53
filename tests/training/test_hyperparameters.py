"""What a checkpoint keeps of a module's arguments."""

from functools import partial

import numpy as np
import torch
from lightning.pytorch.core.mixins.hparams_mixin import _given_hyperparameters_context

from helpers.toys import Decay
from lightning_autobalance.optim import AutoAdamW
from lightning_autobalance.training.hyperparameters import is_plain, under_cli


def test_only_plain_arguments_go_into_the_checkpoint() -> None:
    assert all(is_plain(value) for value in (1, 0.5, "a", None, True, [1, {"b": (2,)}], {}))
    assert not any(is_plain(value) for value in (np.ones(3), Decay.domain, torch.ones(1), len, [np.float64(1)]))


def test_mappings_must_be_plain_in_keys_and_values() -> None:
    assert not is_plain({"a": [{"b": torch.ones(1)}]})
    assert not is_plain({np.int64(1): 2})


def test_a_module_keeps_its_plain_arguments() -> None:
    module = Decay(optimizer=partial(AutoAdamW, lr=1e-2), weights={"pde": 2.0}, steps_per_call=3)
    assert module.hparams["weights"] == {"pde": 2.0}
    assert module.hparams["steps_per_call"] == 3
    assert not {"optimizer", "net", "balancer", "variant"} & module.hparams.keys()
    assert module.hparams_initial == module.hparams


def test_the_command_line_is_noticed_while_it_makes_a_module() -> None:
    assert not under_cli()
    with _given_hyperparameters_context({"steps_per_call": 3}, "module"):
        assert under_cli()
    assert not under_cli()
