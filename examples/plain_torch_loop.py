"""AutoAdamW in a plain torch loop: u'' + u = 0 on [0, π], u(0) = 0, u(π/2) = 1."""

import sys

import torch

from lightning_autobalance import MLP, AutoAdamW, backward, partials


def train(steps: int = 2000) -> float:
    """Train, and give the largest error against sin(x)."""
    torch.manual_seed(0)
    net = MLP(1, 1, [20, 20])
    x = torch.linspace(0, torch.pi, 100)[:, None]
    ends = torch.tensor([[0.0], [torch.pi / 2]])
    optimizer = AutoAdamW(net.parameters(), lr=1e-2)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        u, u_xx = partials(net, x, "", "xx")
        losses = {"pde": (u_xx + u).square().mean(), "ends": (net(ends) - torch.sin(ends)).square().mean()}
        optimizer.zero_grad()
        backward(losses, net.parameters())  # instead of sum(losses.values()).backward()
        optimizer.step()
        scheduler.step()
    with torch.no_grad():
        return float((net(x) - torch.sin(x)).abs().max())


if __name__ == "__main__":
    sys.stdout.write(f"largest error: {train():.1e}\n")
