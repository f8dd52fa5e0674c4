"""Training steps of CycleGAN and Pix2Pix as the papers describe them: the baseline of the speed benchmarks.

Independent of i2i: float32, layers of torch, one forward pass per input, one optimizer for the generators and one for
the discriminators. The arithmetic is that of the published recipes (Zhu et al. 2017; Isola et al. 2017).
"""

import random

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def resnet_generator(ngf: int = 64, blocks: int = 9) -> nn.Module:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            c = 4 * ngf
            self.body = nn.Sequential(
                nn.ReflectionPad2d(1), nn.Conv2d(c, c, 3), nn.InstanceNorm2d(c), nn.ReLU(True),
                nn.ReflectionPad2d(1), nn.Conv2d(c, c, 3), nn.InstanceNorm2d(c),
            )  # fmt: skip

        def forward(self, x: Tensor) -> Tensor:
            return x + self.body(x)

    return nn.Sequential(
        nn.ReflectionPad2d(3), nn.Conv2d(3, ngf, 7), nn.InstanceNorm2d(ngf), nn.ReLU(True),
        nn.Conv2d(ngf, 2 * ngf, 3, 2, 1), nn.InstanceNorm2d(2 * ngf), nn.ReLU(True),
        nn.Conv2d(2 * ngf, 4 * ngf, 3, 2, 1), nn.InstanceNorm2d(4 * ngf), nn.ReLU(True),
        *(Block() for _ in range(blocks)),
        nn.ConvTranspose2d(4 * ngf, 2 * ngf, 3, 2, 1, 1), nn.InstanceNorm2d(2 * ngf), nn.ReLU(True),
        nn.ConvTranspose2d(2 * ngf, ngf, 3, 2, 1, 1), nn.InstanceNorm2d(ngf), nn.ReLU(True),
        nn.ReflectionPad2d(3), nn.Conv2d(ngf, 3, 7), nn.Tanh(),
    )  # fmt: skip


def patchgan(channels: int, norm: type[nn.Module], ndf: int = 64) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(channels, ndf, 4, 2, 1), nn.LeakyReLU(0.2, True),
        nn.Conv2d(ndf, 2 * ndf, 4, 2, 1), norm(2 * ndf), nn.LeakyReLU(0.2, True),
        nn.Conv2d(2 * ndf, 4 * ndf, 4, 2, 1), norm(4 * ndf), nn.LeakyReLU(0.2, True),
        nn.Conv2d(4 * ndf, 8 * ndf, 4, 1, 1), norm(8 * ndf), nn.LeakyReLU(0.2, True),
        nn.Conv2d(8 * ndf, 1, 4, 1, 1),
    )  # fmt: skip


class UNet(nn.Module):
    """Encoder and decoder of 8 levels at 256 px (fewer below), batch norm, dropout in the innermost three."""

    def __init__(self, size: int = 256, ngf: int = 64) -> None:
        super().__init__()
        depth = size.bit_length() - 1
        widths = [ngf * min(8, 2**level) for level in range(depth)]
        self.down = nn.ModuleList()
        self.up = nn.ModuleList()
        for level, width in enumerate(widths):
            in_channels = 3 if level == 0 else widths[level - 1]
            layers: list[nn.Module] = [nn.Conv2d(in_channels, width, 4, 2, 1)]
            if 0 < level < depth - 1:
                layers.append(nn.BatchNorm2d(width))
            self.down.append(nn.Sequential(*layers))
        for level in reversed(range(1, depth)):
            in_channels = widths[level] * (1 if level == depth - 1 else 2)
            layers = [nn.ConvTranspose2d(in_channels, widths[level - 1], 4, 2, 1), nn.BatchNorm2d(widths[level - 1])]
            if level >= depth - 3 and widths[level - 1] == 8 * ngf:
                layers.append(nn.Dropout(0.5))
            self.up.append(nn.Sequential(*layers))
        self.last = nn.ConvTranspose2d(2 * ngf, 3, 4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for level, layer in enumerate(self.down):
            x = layer(x if level == 0 else F.leaky_relu(x, 0.2))
            skips.append(x)
        skips.pop()
        for layer in self.up:
            x = torch.cat([skips.pop(), layer(F.relu(x))], 1)
        return torch.tanh(self.last(F.relu(x)))


def adam(*networks: nn.Module) -> torch.optim.Adam:
    weights = [weight for network in networks for weight in network.parameters()]
    return torch.optim.Adam(weights, lr=2e-4, betas=(0.5, 0.999))


class CycleGANStep:
    """G and F, then D_A and D_B, least squares, cycle 10, identity 0.5, pools of 50."""

    def __init__(self, device: torch.device, ngf: int = 64, blocks: int = 9, identity: float = 0.5) -> None:
        self.G, self.F = (resnet_generator(ngf, blocks).to(device) for _ in range(2))
        self.D_A, self.D_B = (patchgan(3, nn.InstanceNorm2d, ngf).to(device) for _ in range(2))
        self.optimizer_G = adam(self.G, self.F)
        self.optimizer_D = adam(self.D_A, self.D_B)
        self.identity = identity
        self.pools: dict[str, list[Tensor]] = {"a": [], "b": []}

    def __call__(self, real_a: Tensor, real_b: Tensor) -> None:
        fake_b, fake_a = self.G(real_a), self.F(real_b)
        back_a, back_b = self.F(fake_b), self.G(fake_a)
        for weight in [*self.D_A.parameters(), *self.D_B.parameters()]:
            weight.requires_grad_(False)
        loss = F.mse_loss(d := self.D_B(fake_b), torch.ones_like(d)) + F.mse_loss(
            d := self.D_A(fake_a), torch.ones_like(d)
        )
        loss = loss + 10 * (F.l1_loss(back_a, real_a) + F.l1_loss(back_b, real_b))
        if self.identity:
            same_b, same_a = self.G(real_b), self.F(real_a)
            loss = loss + 10 * self.identity * (F.l1_loss(same_b, real_b) + F.l1_loss(same_a, real_a))
        self.optimizer_G.zero_grad()
        loss.backward()
        self.optimizer_G.step()

        for weight in [*self.D_A.parameters(), *self.D_B.parameters()]:
            weight.requires_grad_(True)
        self.optimizer_D.zero_grad()
        for discriminator, real, fake, name in ((self.D_A, real_a, fake_a, "a"), (self.D_B, real_b, fake_b, "b")):
            pooled = self._pool(name, fake.detach())
            real_logits = discriminator(real)
            fake_logits = discriminator(pooled)
            loss = F.mse_loss(real_logits, torch.ones_like(real_logits))
            loss = loss + F.mse_loss(fake_logits, torch.zeros_like(fake_logits))
            (0.5 * loss).backward()
        self.optimizer_D.step()

    def _pool(self, name: str, fake: Tensor) -> Tensor:
        pool = self.pools[name]
        if len(pool) < 50:
            pool.append(fake.clone())
            return fake
        if random.random() > 0.5:
            index = random.randrange(50)
            older = pool[index]
            pool[index] = fake.clone()
            return older
        return fake


class Pix2PixStep:
    """D on the pair, then G; binary cross-entropy, L1 × 100; D's loss halved."""

    def __init__(self, device: torch.device, size: int = 256, ngf: int = 64) -> None:
        self.G = UNet(size, ngf).to(device)
        self.D = patchgan(6, nn.BatchNorm2d, ngf).to(device)
        self.optimizer_G = adam(self.G)
        self.optimizer_D = adam(self.D)

    def __call__(self, real_a: Tensor, real_b: Tensor) -> None:
        fake_b = self.G(real_a)
        fake_logits = self.D(torch.cat([real_a, fake_b.detach()], 1))
        real_logits = self.D(torch.cat([real_a, real_b], 1))
        loss_d = F.binary_cross_entropy_with_logits(fake_logits, torch.zeros_like(fake_logits))
        loss_d = loss_d + F.binary_cross_entropy_with_logits(real_logits, torch.ones_like(real_logits))
        self.optimizer_D.zero_grad()
        (0.5 * loss_d).backward()
        self.optimizer_D.step()

        for weight in self.D.parameters():
            weight.requires_grad_(False)
        logits = self.D(torch.cat([real_a, fake_b], 1))
        loss = F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits)) + 100 * F.l1_loss(fake_b, real_b)
        self.optimizer_G.zero_grad()
        loss.backward()
        self.optimizer_G.step()
        for weight in self.D.parameters():
            weight.requires_grad_(True)
