"""Aggregators: from the Jacobian of the loss terms, (m, n), to one gradient, (n,)."""

from lightning_autobalance.balancing.aggregators.aligned_mtl import AlignedMTL
from lightning_autobalance.balancing.aggregators.base import Aggregator, GramianAggregator
from lightning_autobalance.balancing.aggregators.ca_grad import CAGrad
from lightning_autobalance.balancing.aggregators.config import ConFIG
from lightning_autobalance.balancing.aggregators.db_mtl import DBMTL
from lightning_autobalance.balancing.aggregators.dual_proj import DualProj
from lightning_autobalance.balancing.aggregators.from_torch_jd import FromTorchJD
from lightning_autobalance.balancing.aggregators.grad_vac import GradVac
from lightning_autobalance.balancing.aggregators.imtl_g import IMTLG
from lightning_autobalance.balancing.aggregators.m_config import MConFIG
from lightning_autobalance.balancing.aggregators.mgda import MGDA
from lightning_autobalance.balancing.aggregators.nash_mtl import NashMTL
from lightning_autobalance.balancing.aggregators.pc_grad import PCGrad
from lightning_autobalance.balancing.aggregators.up_grad import UPGrad

__all__ = [
    "Aggregator",
    "GramianAggregator",
    "MGDA",
    "PCGrad",
    "IMTLG",
    "ConFIG",
    "MConFIG",
    "CAGrad",
    "NashMTL",
    "AlignedMTL",
    "DBMTL",
    "GradVac",
    "UPGrad",
    "DualProj",
    "FromTorchJD",
]
