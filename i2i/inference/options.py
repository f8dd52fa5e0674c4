"""Options of inference: the device, and what a model takes besides the image."""

import os
from dataclasses import dataclass
from typing import Literal

from i2i.checkpoints.model_info import ModelInfo
from i2i.device import Precision
from i2i.errors import UsageError
from i2i.images.value_range import ValueRanges, stated_ranges
from i2i.inference.mask_images import MaskFill

EngineChoice = Literal["auto", "torch", "onnxruntime", "openvino"]


@dataclass(frozen=True)
class InferenceOptions:
    """How a model is run.

    Args:
        device: "auto", or the name of a torch device.
        precision: "auto", "float32" or "bfloat16".
        strength: strength of the degradation, in the unit of the model's task, for a model that takes it as input.
        mask: mask of an inpainting model, see ``MaskReader``.
        mask_fill: what the mask marks: "white", "black" or "paint", see ``mask_from_image``.
        value_range: sample values of black and white, for images of a type that can hold them; None for those of the
            model's training, else of the type.
        blend: 1 for the result as it is, 0 for the photo, a mixture in between, see ``Finishing``.
        grain: σ of film grain that is added to the result, in grey levels.
        protect: mask image, or folder of masks, of the region that stays as it is in the photo; see ``mask_fill``.
        engine: what computes the network on a CPU: "torch", "onnxruntime", "openvino", or "auto" for the fastest one
            whose results are those of torch; None for torch, or for the engine of an exported file.
        network_range: values of black and white that the network of an ONNX or OpenVINO file takes and returns, if the
            file has no metadata of i2i.
        texture_mask: whether the network returns its input wherever it adds no texture, see
            ``i2i.networks.texture_mask``; None as in the model file.
        expected_pixels: of all images that are to be translated, for "auto"; None if unknown.
    """

    device: str = "auto"
    precision: Precision = "auto"
    strength: float | None = None
    mask: str | os.PathLike[str] | None = None
    mask_fill: MaskFill = "white"
    value_range: tuple[float, float] | None = None
    blend: float = 1.0
    grain: float = 0.0
    protect: str | os.PathLike[str] | None = None
    engine: EngineChoice | None = None
    network_range: tuple[float, float] | None = None
    texture_mask: bool | None = None
    expected_pixels: int | None = None

    def value_ranges(self, info: ModelInfo | None, direction: str) -> ValueRanges:
        """Return black and white of the images by sample type: as stated, else as in the training of the model.

        Raises: UsageError if the stated range is not usable.
        """
        if self.value_range is not None:
            return stated_ranges(self.value_range)
        return info.input_ranges(direction) if info is not None else {}

    def check_for(self, model: str, info: ModelInfo | None) -> None:
        """Raise UsageError if an option is given that the model does not take.

        Args:
            model: name of the model, for the message.
            info: metadata of the model; None for the identity, which takes no option.
        """
        if self.strength is not None and not (info is not None and info.takes_strength):
            raise UsageError(
                f"{model} does not take the degradation strength as input: omit --degradation-level (strength in "
                "Python)."
            )
        if self.texture_mask is not None and not (info is not None and info.can_mask_texture):
            raise UsageError(
                f"{model} has no texture mask: omit --texture-mask (texture_mask in Python). It is for models with a "
                "generator resnet or unet whose results have the channels of their images."
            )
        if self.mask is not None and not (info is not None and info.takes_mask):
            raise UsageError(f"{model} does not inpaint: --mask (mask in Python) is for models of the task inpaint.")
