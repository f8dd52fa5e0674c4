"""Whether a network of another program may compute in bfloat16."""

import logging
from dataclasses import replace

import torch

from i2i.device import autocast, resolve_device, resolve_dtype
from i2i.errors import UsageError
from i2i.inference.options import InferenceOptions
from i2i.inference.reach import probe_image
from i2i.networks import SpandrelConfig, SpandrelNetwork

logger = logging.getLogger(__name__)

MAX_LEVELS = 2.0  # grey levels by which any value of a result may differ from that in float32
_SIDE = 64  # pixels a side of the image on which this is tried


def with_safe_precision(
    network: SpandrelNetwork, config: SpandrelConfig, options: InferenceOptions
) -> InferenceOptions:
    """Return options with the precision float32 where bfloat16 would be chosen and is not good enough.

    bfloat16 is chosen by "auto" only if the network supports it and its result on a test image differs from that in
    float32 by at most MAX_LEVELS.

    Raises: UsageError if bfloat16 is asked for and the network does not support it.
    """
    device = resolve_device(options.device)
    if resolve_dtype(options.precision, device) != torch.bfloat16:
        return options
    is_asked_for = options.precision == "bfloat16"
    if not config.bfloat16 and is_asked_for:
        raise UsageError(f"{config.architecture} does not support bfloat16: use --precision float32.")
    difference = _difference(network, config, device) if config.bfloat16 else float("inf")
    if difference <= MAX_LEVELS:
        return options
    if is_asked_for:
        logger.warning("%s differs by %.1f grey levels in bfloat16 from float32.", config.architecture, difference)
        return options
    return replace(options, precision="float32")


@torch.inference_mode()
def _difference(network: SpandrelNetwork, config: SpandrelConfig, device: torch.device) -> float:
    """Return the largest difference between both precisions, in grey levels; infinite if bfloat16 fails."""
    side = -(-_SIDE // config.multiple) * config.multiple
    image = probe_image(side).to(device)
    if config.conditioning == "mask":
        mask = torch.full_like(image[:, :1], -1.0)
        mask[:, :, side // 4 : side // 2, side // 4 : side // 2] = 1.0
        image = torch.cat([image, mask], 1)
    network = network.to(device)
    exact = network(image)
    try:
        with autocast(device, torch.bfloat16):
            found = network(image)
    except (RuntimeError, TypeError, NotImplementedError):  # functions without bfloat16, such as FFTs
        return float("inf")
    return 127.5 * float((found.float() - exact).abs().max())
