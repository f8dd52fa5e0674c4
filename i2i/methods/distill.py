"""Distillation: a small generator, the student, learns to do what a trained one, the teacher, does.

The student sees only images and what the teacher makes of them; there is no discriminator. After GAN Compression (Li et
al. 2020, section 3.1), whose students have separable convolutions and learn from the teacher's output and from its
features through 1×1 convolutions, and OMGD (Ren et al. 2021), which does without a discriminator for the student.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.checkpoints.model_file import find_model_file, load_model_file, model_name
from i2i.config import Config, option
from i2i.diagnostics import SampleView
from i2i.directions import Direction
from i2i.errors import ConfigError, SettingError
from i2i.images.sample_types import count_channels
from i2i.losses.perceptual import (
    PERCEPTUAL_HELP,
    PerceptualNetwork,
    build_perceptual_loss,
    require_perceptual_size,
)
from i2i.methods.base import Batch, ImageDict, Method, Turn, mean_psnr
from i2i.metrics.ssim import ms_ssim
from i2i.model_networks import build_translator
from i2i.networks import (
    CompactConfig,
    GeneratorConfig,
    IdentityConfig,
    Resnet,
    ResnetConfig,
    RestorationConfig,
    RestorerConfig,
    SpandrelConfig,
    UnetConfig,
    build_generator,
    prepare_for_inference,
)
from i2i.networks.output_heads import image_at
from i2i.pretrained.alexnet import freeze


@dataclass(frozen=True, kw_only=True)
class DistillConfig(Config):
    teacher: str = option("", "model to imitate: name of a run or of a shipped model, or path of a model file")
    generator: ResnetConfig | UnetConfig | RestorerConfig | CompactConfig | IdentityConfig = option(
        ResnetConfig(ngf=16, separable=True, upsampling="resize"), "architecture of the student"
    )
    weight_pixel: float = option(10.0, "λ of the L1 distance to the teacher's output", ge=0)
    weight_feature: float = option(
        1.0,
        "λ of the distance to the teacher's features, which 1×1 convolutions make from the student's; both generators "
        "must be resnets",
        ge=0,
    )
    weight_ms_ssim: float = option(0.0, "λ of 1 − MS-SSIM to the teacher's output; 0 disables it", ge=0)
    weight_perceptual: float = option(0.0, "λ of the perceptual distance to the teacher's output; 0 disables it", ge=0)
    perceptual_network: PerceptualNetwork = option("alexnet", PERCEPTUAL_HELP)

    def build(
        self, size: int, direction: str = Direction.A_TO_B, in_channels: int = 3, out_channels: int = 3
    ) -> "Distill":
        """Return the method for images of ``size`` pixels a side.

        Args:
            size: pixels a side.
            direction: that of the teacher.
            in_channels: of the images, which are those that the teacher takes.
            out_channels: of the images that the teacher returns.

        Raises:
            ConfigError: no teacher is named, it does not have the direction, or the student cannot imitate it.
            ModelFileError: there is no such model.
        """
        return Distill(self, size, direction, in_channels, out_channels)


class Distill(Method):
    """A student that minimises the distance of its output, and of its features, to those of the teacher."""

    def __init__(
        self, config: DistillConfig, size: int, direction: str, in_channels: int = 3, out_channels: int = 3
    ) -> None:
        super().__init__()
        require_perceptual_size(config.weight_perceptual, config.perceptual_network, size, out_channels)
        self.config = config
        self.in_channels = in_channels
        self.teacher, teacher_config = load_teacher(config.teacher, direction, in_channels, out_channels)
        _require_same_images(config, teacher_config, size)
        self.G = build_generator(config.generator, size, in_channels, out_channels)
        self.perceptual = build_perceptual_loss(config.perceptual_network) if config.weight_perceptual else None
        self._teacher_mode = self.teacher.training
        self.connectors = build_connectors(self.G, self.teacher) if config.weight_feature else nn.ModuleDict()

    def train(self, mode: bool = True) -> "Distill":
        """Set the mode of the student. The teacher stays in the mode of its inference."""
        super().train(mode)
        self.teacher.train(self._teacher_mode)
        return self

    def players(self) -> dict[str, list[nn.Module]]:
        return {"G": [self.G, self.connectors]}

    def translators(self) -> dict[str, nn.Module]:
        return {Direction.A_TO_B: self.G}

    def generator_config(self) -> GeneratorConfig:
        return self.config.generator

    def turns(self, batch: Batch, step: int) -> Iterator[Turn]:
        source = batch[0]
        with torch.no_grad():
            target, teacher_features = self._forward(self.teacher, source)
        output, features = self._forward(self.G, source)
        target = target.float()
        losses = {"G/l1": self.config.weight_pixel * F.l1_loss(output, target)}
        if self.connectors:
            distances = [
                feature_distance(connector(x), y)
                for connector, x, y in zip(self.connectors.values(), features, teacher_features, strict=True)
            ]
            losses["G/feature"] = self.config.weight_feature * torch.stack(distances).mean()
        if self.config.weight_ms_ssim:
            losses["G/ms_ssim"] = self.config.weight_ms_ssim * (1 - ms_ssim(output, target))
        if self.perceptual is not None:
            losses["G/perceptual"] = self.config.weight_perceptual * self.perceptual(output, target)
        yield "G", losses

    def _forward(self, network: nn.Module, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the output of student or teacher, and the features that are compared."""
        if not self.connectors:
            return network(image), []
        assert isinstance(network, Resnet)
        layers = feature_layers(network)
        return network.with_features(image, [layers[name] for name in self.connectors])

    def sample_images(self, batch: Batch, translators: Mapping[str, nn.Module]) -> ImageDict:
        source = batch[0]
        target = self.teacher(source).float()
        student = translators[Direction.A_TO_B](source).float()
        return {"input": image_at(source, target, self.in_channels), "teacher": target, "student": student}

    def health_views(self, batch: Batch, images: ImageDict, translators: Mapping[str, nn.Module]) -> list[SampleView]:
        target, source = images["teacher"], images["input"]
        return [SampleView(direction="student", output=images["student"], target=target, input=source, paired=True)]

    def metrics(self, batch: Batch, images: ImageDict) -> dict[str, float]:
        return mean_psnr(images, ("input", "student"), images["teacher"])


def build_connectors(student: nn.Module, teacher: nn.Module) -> nn.ModuleDict:
    """Return 1×1 convolutions from the student's features to the teacher's, by the names of ``feature_layers``.

    Raises ConfigError if one of the two is no resnet.
    """
    if not (isinstance(teacher, Resnet) and isinstance(student, Resnet)):
        advice = "give --weight-feature 0" + (" or --generator resnet" if isinstance(teacher, Resnet) else "")
        raise ConfigError(
            f"Features can only be compared between two resnet generators; the teacher is a {type(teacher).__name__}, "
            f"the student a {type(student).__name__}: {advice}. For a restoration model, use --recipe restore and its "
            "--task."
        )
    inputs, outputs = student.feature_channels(), teacher.feature_channels()
    student_layers, teacher_layers = feature_layers(student), feature_layers(teacher)
    common = [name for name in student_layers if name in teacher_layers]
    return nn.ModuleDict(
        {name: nn.Conv2d(inputs[student_layers[name]], outputs[teacher_layers[name]], 1) for name in common}
    )


def feature_layers(network: Resnet) -> dict[str, int]:
    """Return the layers whose features are compared: the end of the encoder, the middle and the last block."""
    encoder, blocks = len(network.encoder), len(network.blocks)
    layers = {"encoder": encoder - 1}
    if blocks > 1:
        layers["middle"] = encoder + blocks // 2 - 1
    if blocks:
        layers["last"] = encoder + blocks - 1
    return layers


def feature_distance(features: Tensor, target: Tensor) -> Tensor:
    """Return the mean squared distance of features, in units of each image's mean square: a mean over the images.

    Args:
        features: (N, C, h, w).
        target: (N, C, h, w).
    """
    target = target.float()
    squares = (features.float() - target).square().mean((1, 2, 3))
    return (squares / target.square().mean((1, 2, 3)).clamp(min=1e-8)).mean()


def load_teacher(
    name: str, direction: str, in_channels: int = 3, out_channels: int = 3
) -> tuple[nn.Module, GeneratorConfig | SpandrelConfig]:
    """Return the frozen network of a trained model, and its config.

    Args:
        name: of a run or of a shipped model, or path of a model file.
        direction: "AtoB" or "BtoA".
        in_channels: of the images of the training.
        out_channels: of the images that the student returns.

    Raises:
        ConfigError: no name is given, the model does not have the direction, takes label maps, or takes or returns
            images of other channels.
        ModelFileError: there is no such model, or it is no translator.
    """
    if not name:
        raise ConfigError("No teacher was named. Give --teacher MODEL, or use `i2i distill MODEL`.")
    path = find_model_file(name)
    model_file = load_model_file(path)
    directions = model_file.info.directions
    if direction not in directions:
        raise ConfigError(
            f"The teacher {model_name(path)} has no direction {str(direction)!r}; it has {', '.join(directions)}. "
            "Choose it by --direction."
        )
    if (labels := model_file.info.input_format(direction).labels) is not None:
        raise ConfigError(
            f"The teacher {model_name(path)} takes label maps, and a student learns from pictures and channels. "
            f"Train the small generator on the pairs instead: `i2i train regression --labels {labels.count}`."
        )
    for verb, format, count in (
        ("takes", model_file.info.input_format(direction), in_channels),
        ("returns", model_file.info.output_format(direction), out_channels),
    ):
        if format.channels != count:
            raise ConfigError(
                f"The teacher {model_name(path)} {verb} images with {format}, and the student gets "
                f"{count_channels(count)}. Choose a teacher of the same channels; --task takes one of RGB."
            )
    network, config = build_translator(path, model_file, direction)
    prepare_for_inference(network.float(), config)
    freeze(network)
    return network, config


def _require_same_images(config: DistillConfig, teacher: GeneratorConfig | SpandrelConfig, size: int) -> None:
    """Raise ConfigError unless student and teacher take the same images and return them at the same scale."""
    student = config.generator
    wanted = teacher if isinstance(teacher, RestorationConfig | SpandrelConfig) else RestorerConfig()
    found = student if isinstance(student, RestorationConfig) else RestorerConfig()
    for name in ("conditioning", "scale"):
        if getattr(wanted, name) != getattr(found, name):
            raise ConfigError(
                f"The teacher's {name} is {getattr(wanted, name)!r} and the student's {getattr(found, name)!r}. Choose "
                "the task of the teacher by --task, and --generator restorer."
            )
    multiple = teacher.size_multiple(size)
    if size // wanted.scale % multiple:
        raise SettingError(
            f"{{size}} is {size}; the teacher takes multiples of {multiple}. Choose one of them.", "size"
        )
