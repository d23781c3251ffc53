"""The callbacks that every run needs, beside those that `PINNModule` talks to."""

from lightning.pytorch import Callback

from lightning_autobalance.training.compile_long_runs import CompileLongRuns
from lightning_autobalance.training.epoch_end import EpochEnd
from lightning_autobalance.training.logger_guard import LoggerGuard
from lightning_autobalance.training.random_state import RandomState
from lightning_autobalance.training.resume import CheckResumedRun
from lightning_autobalance.training.unfrozen import CheckUnfrozen
from lightning_autobalance.training.weight_averaging import AverageNetworkOnly


def callbacks_of_every_run() -> list[Callback]:
    """New ones, for one run."""
    return [
        EpochEnd(),
        RandomState(),
        LoggerGuard(),
        CheckResumedRun(),
        AverageNetworkOnly(),
        CheckUnfrozen(),
        CompileLongRuns(),
    ]
