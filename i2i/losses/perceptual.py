"""Perceptual losses: distances between the features of two images in a frozen, pretrained network."""

from typing import Literal

import torch
from torch import Tensor, nn

from i2i.distributed import own_rows
from i2i.errors import ConfigError, SettingError
from i2i.losses._reduce import sum_terms
from i2i.networks.precision import at_least_float32
from i2i.pretrained.alexnet import freeze
from i2i.pretrained.lpips import LPIPS_MIN_SIZE, load_lpips
from i2i.pretrained.vgg import VGG_MIN_SIZE, build_vgg

PerceptualNetwork = Literal["alexnet", "vgg16", "vgg19"]
PERCEPTUAL_HELP = (
    "network of the perceptual loss: alexnet or vgg16 (LPIPS), or vgg19 (L1 of its features, as pix2pixHD has it)"
)
MIN_SIZES = {"alexnet": LPIPS_MIN_SIZE, "vgg16": VGG_MIN_SIZE, "vgg19": VGG_MIN_SIZE}  # pixels a side
ALEXNET_STRIDE = 4  # pixels, of the first convolution
_ALTERNATIVE = "use --weight-perceptual 0"


def build_perceptual_loss(network: PerceptualNetwork) -> nn.Module:
    """Return the perceptual loss with a network.

    Returns: a module that takes images and targets, (N, 3, H, W) or (N, 1, H, W) in [-1, 1], and returns a scalar.

    Raises:
        ModelFileError: its weights can be neither found nor downloaded.
    """
    if network == "vgg19":
        return VGGLoss()
    return LPIPSLoss(network, stride=ALEXNET_STRIDE if network == "alexnet" else 1)


class LPIPSLoss(nn.Module):
    """LPIPS v0.1 (Zhang et al. 2018, eq. 1), frozen. Its weights are in no state and in no optimizer.

    A first convolution with a stride sees each pixel of the images at one position of its grid only. A generator that
    enlarges images then learns a pattern with that period. With ``stride``, both images lose up to stride − 1 rows and
    columns at the top and the left, drawn anew for each, so that each pixel is seen at every position.

    Args:
        backbone: the network whose features are compared.
        stride: of the first convolution, in pixels; 1 to compare whole images.

    Raises:
        ModelFileError: if the weights can be neither found nor downloaded.
    """

    def __init__(self, backbone: Literal["alexnet", "vgg16"] = "alexnet", stride: int = 1) -> None:
        super().__init__()
        self.stride = stride
        self.network = load_lpips(_ALTERNATIVE, backbone)
        freeze(self.network)

    def train(self, mode: bool = True) -> "LPIPSLoss":
        """Stay in evaluation mode, because the heads have dropout."""
        return super().train(False)

    def forward(self, images: Tensor, target: Tensor) -> Tensor:
        """Return the mean distance of ``images`` to ``target``.

        Args:
            images: (N, 3, H, W) in [-1, 1], or (N, 1, H, W), repeated three times; H and W at least that of
                ``MIN_SIZES``.
            target: of the same shape, in [-1, 1]; no gradient flows into it.

        Returns: a scalar in float32.
        """
        images, target = self._moved(images, target)
        with torch.autocast(images.device.type, enabled=False):
            with torch.no_grad():
                target_features = self._features(target)
            return sum_terms(
                head((x - y).square()).mean()
                for head, x, y in zip(self.network.lins, self._features(images), target_features, strict=True)
            )

    def _moved(self, images: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Return both without some rows and columns, as many at the top and the left of each image as is drawn."""
        dropped = min(self.stride - 1, min(images.shape[2:]) - LPIPS_MIN_SIZE)
        if dropped <= 0:
            return images, target
        device, high = images.device, dropped + 1
        starts = own_rows(lambda count: torch.randint(high, (count, 2), device=device), len(images))
        # Indices have one shape for all draws, as CUDA graphs need.
        for dimension in (2, 3):
            index = torch.arange(images.shape[dimension] - dropped, device=device) + starts[:, dimension - 2, None]
            images, target = (
                x.gather(dimension, _along(index, dimension).expand_as(x.narrow(dimension, 0, index.shape[1])))
                for x in (images, target)
            )
        return images, target

    def _features(self, images: Tensor) -> list[Tensor]:
        """Return the features of each layer, scaled to unit length at each location."""
        images = images.expand(-1, 3, -1, -1)  # one channel to three
        scaled = self.network.scaling_layer(at_least_float32(images))
        # The library adds 1e-10 to the root. 1e-20 under the root gives the same value, and a finite derivative where
        # all features are 0.
        return [x / (x.square().sum(1, keepdim=True) + 1e-20).sqrt() for x in self.network.net(scaled)]


def _along(index: Tensor, dimension: int) -> Tensor:
    """Return indices (N, L) as (N, 1, L, 1), or as (N, 1, 1, L) along the columns."""
    return index[:, None, :, None] if dimension == 2 else index[:, None, None, :]


class VGGLoss(nn.Module):
    """Σᵢ wᵢ ‖Fᵢ(x) − Fᵢ(y)‖₁ over the first ReLU of each block of VGG19, as in pix2pixHD (Wang et al. 2018).

    The weights wᵢ are 1/32, 1/16, 1/8, 1/4 and 1, and the norm is a mean, as in the authors' code. Images are
    normalised by ImageNet's mean and deviation, as in the network's training; the authors' code leaves that out. The
    network is frozen, and its weights are in no state and in no optimizer.

    Raises:
        ModelFileError: if the weights can be neither found nor downloaded.
    """

    LAYERS = (1, 6, 11, 20, 29)  # index in torchvision's list of layers
    WEIGHTS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1.0)
    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.network = build_vgg("vgg19", self.LAYERS[-1] + 1, _ALTERNATIVE)
        freeze(self.network)
        for name, values in (("mean", (0.485, 0.456, 0.406)), ("deviation", (0.229, 0.224, 0.225))):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor, target: Tensor) -> Tensor:
        """Return the mean distance of ``images`` to ``target``.

        Args:
            images: (N, 3, H, W) in [-1, 1], or (N, 1, H, W), repeated three times; H and W at least VGG_MIN_SIZE.
            target: of the same shape, in [-1, 1]; no gradient flows into it.

        Returns: a scalar in float32.
        """
        with torch.autocast(images.device.type, enabled=False):
            with torch.no_grad():
                target_features = self._features(target)
            return sum_terms(
                weight * (x - y).abs().mean()
                for weight, x, y in zip(self.WEIGHTS, self._features(images), target_features, strict=True)
            )

    def _features(self, images: Tensor) -> list[Tensor]:
        x = at_least_float32(images.expand(-1, 3, -1, -1))  # one channel to three
        x = ((x + 1) / 2 - self.mean) / self.deviation
        features = []
        for index, layer in enumerate(self.network):
            x = layer(x)
            if index in self.LAYERS:
                features.append(x)
        return features


def require_perceptual_size(weight: float, network: PerceptualNetwork, size: int, *channels: int) -> None:
    """Check that images suit a perceptual loss.

    Args:
        weight: λ of the perceptual loss; with 0 all images do.
        network: its network.
        size: pixels a side.
        channels: of the images that are compared: 3, or 1, which is repeated three times.

    Raises:
        ConfigError: if ``size`` is below that of ``MIN_SIZES``, or the images are neither grey nor RGB.
    """
    if weight and not set(channels) <= {1, 3}:
        found = " and ".join(map(str, channels))
        raise ConfigError(
            f"The perceptual loss needs grey or RGB images, of one or three channels; these have {found}. Use "
            "--weight-perceptual 0."
        )
    if weight and size < MIN_SIZES[network]:
        raise SettingError(
            f"The perceptual loss needs images of at least {MIN_SIZES[network]} px; {{size}} is {size}. Use a larger "
            "one, or --weight-perceptual 0.",
            "size",
        )
