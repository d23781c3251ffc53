"""A LightningModule that had one summed loss, with one optimizer state per loss term: u'' = -sin(x), u(0) = u(π) = 0.

Run it with: python examples/dropin_lightning.py
The four lines that changed are marked with what stood there before.
"""

import sys

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lightning_autobalance import AutoAdamW, step_terms  # added


class MyModule(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False  # added
        self.net = nn.Sequential(nn.Linear(1, 20), nn.Tanh(), nn.Linear(20, 20), nn.Tanh(), nn.Linear(20, 1))

    def training_step(self, batch: list[Tensor]) -> None:
        x = batch[0].requires_grad_()
        u = self.net(x)
        (u_x,) = torch.autograd.grad(u.sum(), x, create_graph=True)
        (u_xx,) = torch.autograd.grad(u_x.sum(), x, create_graph=True)
        pde = (u_xx + torch.sin(x)).square().mean()
        ends = self.net(torch.tensor([[0.0], [torch.pi]])).square().mean()
        step_terms(self, {"pde": pde, "ends": ends})  # was: return pde + 100 * ends

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return AutoAdamW(self.parameters(), lr=1e-2)  # was: torch.optim.AdamW(self.parameters(), lr=1e-2)


def train(steps: int = 500) -> float:
    """Train, and give the largest error against sin(x)."""
    torch.manual_seed(0)
    module, x = MyModule(), torch.linspace(0, torch.pi, 100)[:, None]
    trainer = Trainer(max_steps=steps, accelerator="cpu", logger=False, enable_checkpointing=False)
    trainer.fit(module, DataLoader(TensorDataset(x), batch_size=len(x)))
    with torch.no_grad():
        return float((module.net(x) - torch.sin(x)).abs().max())


if __name__ == "__main__":
    sys.stdout.write(f"largest error: {train():.1e}\n")
