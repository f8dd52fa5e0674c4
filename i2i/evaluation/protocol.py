"""The protocol of an evaluation: everything that a number depends on, except the model."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from i2i.evaluation.eval_set import EvalSet

VERSION = 1  # to be raised when the same images give other numbers


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Everything that a number depends on, except the model. Numbers with equal fingerprints can be compared."""

    data: str  # name of the dataset
    split: str
    direction: str
    inputs: int  # images that each model translates or generates
    real: int  # real images that they are compared with
    contents: str  # SHA-256 of all of these after resizing
    size: str  # the resizing in words
    network: str  # whose features FID and KID use
    network_hash: str
    lpips_hash: str
    degradation: str  # that restoration models undo; "" for translators
    colours: str = "as stored, profiles not applied"
    version: int = VERSION

    def fingerprint(self) -> str:
        """Return eight hex digits. They depend on the images and not on the dataset's name."""
        fields = self._fields()
        fields.pop("data")
        return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:8]

    def to_json(self) -> dict[str, Any]:
        return {**self._fields(), "fingerprint": self.fingerprint()}

    def _fields(self) -> dict[str, Any]:
        return {"damage" if name == "degradation" else name: value for name, value in asdict(self).items()}

    def describe(self) -> str:
        """Return the protocol in one sentence."""
        inputs = "images from noise" if self.direction == "sample" else "inputs"
        if self.degradation:
            inputs += f" ({self.degradation})"
        return (
            f"{self.data}, {self.split} split: {self.inputs} {inputs}, {self.real} real images, {self.size}; "
            f"features of {self.network} ({self.network_hash[:8]}); protocol {self.fingerprint()}"
        )


def build_protocol(eval_set: EvalSet, data: str, network: str, network_hash: str, lpips_hash: str) -> Protocol:
    """Return the protocol of an evaluation.

    Args:
        eval_set: its images.
        data: the dataset's name.
        network: name of the network for FID and KID.
        network_hash: SHA-256 of its weights.
        lpips_hash: SHA-256 of the LPIPS weights; "" without LPIPS.
    """
    image_sets = [eval_set.real] if eval_set.inputs is None else [eval_set.inputs, eval_set.real]
    hashes = "".join(images.content_hash() for images in image_sets)
    return Protocol(
        data=data,
        split=eval_set.split,
        direction=eval_set.direction,
        inputs=eval_set.num_outputs,
        real=len(eval_set.real),
        contents=hashlib.sha256(hashes.encode()).hexdigest(),
        size=eval_set.real.resize.describe(),
        network=network,
        network_hash=network_hash,
        lpips_hash=lpips_hash,
        degradation=eval_set.degradation.describe() if eval_set.degradation is not None else "",
    )
