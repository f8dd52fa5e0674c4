"""How a number came about: only numbers of one protocol can be compared."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from i2i.evaluation.eval_set import Trial

VERSION = 1  # raised when the same pictures would give another number


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """All that decides a number but the model. Equal fingerprints, comparable numbers."""

    data: str
    split: str
    direction: str
    inputs: int  # pictures that are translated, or painted from noise
    real: int  # pictures that they are held against
    contents: str  # SHA-256 of these, as they are brought to size
    size: str
    network: str  # whose features FID and KID are taken from
    network_hash: str
    lpips_hash: str
    damage: str  # that a restoration model is to undo; "" for others
    colours: str = "as stored, profiles not applied"
    version: int = VERSION

    def fingerprint(self) -> str:
        """Eight hexadecimal digits. The dataset's name counts for nothing, its pictures for all."""
        counted = {name: value for name, value in asdict(self).items() if name != "data"}
        return hashlib.sha256(json.dumps(counted, sort_keys=True).encode()).hexdigest()[:8]

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "fingerprint": self.fingerprint()}

    def text(self) -> str:
        """In a line or two."""
        what = "pictures from noise" if self.direction == "sample" else "inputs"
        what += f" ({self.damage})" if self.damage else ""
        return (
            f"{self.data}, {self.split} split: {self.inputs} {what} against {self.real} real pictures, "
            f"{self.size}; features of {self.network} ({self.network_hash[:8]}); protocol {self.fingerprint()}"
        )


def protocol_of(pictures: Trial, data: str, network: str, network_hash: str, lpips_hash: str) -> Protocol:
    """The protocol of an evaluation on ``pictures``."""
    sides = [pictures.real] if pictures.inputs is None else [pictures.inputs, pictures.real]
    contents = hashlib.sha256("".join(side.contents() for side in sides).encode()).hexdigest()
    return Protocol(
        data=data,
        split=pictures.split,
        direction=pictures.direction,
        inputs=pictures.outputs,
        real=len(pictures.real),
        contents=contents,
        size=pictures.real.shape.told(),
        network=network,
        network_hash=network_hash,
        lpips_hash=lpips_hash,
        damage=pictures.damage.told() if pictures.damage is not None else "",
    )
