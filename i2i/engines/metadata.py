"""``ExportInfo``: what the metadata of an exported file say about its model and how to use it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from i2i.checkpoints.metadata_fields import MetadataFields
from i2i.checkpoints.model_header import METADATA_KEY, parse_info
from i2i.checkpoints.model_info import ModelInfo
from i2i.config import from_json
from i2i.directions import Direction
from i2i.engines.formats import EXPORT_KEY, MODEL_KEY
from i2i.errors import ConfigError, ModelFileError
from i2i.json_parsing import JsonError, parse_json_table, replace_surrogates
from i2i.networks import GENERATORS, NETWORK_PLUGINS, GeneratorConfig

EXPORT_FORMAT = 1
MAX_METADATA = 10_000_000  # characters
MIN_SIDE = 16  # pixels
TOLERANCE = 2 / 255  # largest difference from torch, of values in [-1, 1]: one level of 255

ExportPrecision = Literal["float32", "float16", "int8"]
_FOURTH_CHANNEL = {
    "level": "degradation level in [-1, 1]: the weakest at -1, the strongest at 1",
    "mask": "1 where the image is to be filled, -1 elsewhere",
}


@dataclass(frozen=True, kw_only=True)
class ExportInfo:
    """The metadata of an exported file.

    Args:
        info: metadata of the model file that was exported.
        model: its name.
        direction: of the exported network.
        precision: of the weights: "float32", "float16" (arithmetic in float32), or "int8" (arithmetic in int8).
        source: SHA-256 of the model file.
        version: of the i2i that exported it.
        without_dropout: whether the model draws dropout masks at inference, and the file has none.
        difference: largest difference from torch that the export found, of values in [-1, 1].
    """

    info: ModelInfo
    model: str
    direction: str
    precision: ExportPrecision
    source: str
    version: str
    without_dropout: bool = False
    difference: float = 0.0

    @property
    def config(self) -> GeneratorConfig:
        """The config of the network. Raises ModelFileError if it is unknown or out of range."""
        name = self.info.generator["network"]
        found = GENERATORS.get(name) or NETWORK_PLUGINS.find(name)
        if found is None:
            raise ModelFileError(f"{self.model}: its network {name!r} is unknown. {self.info.missing_plugin_hint()}")
        try:
            return from_json(found, self.info.generator, "generator")
        except ConfigError as error:
            raise ModelFileError(f"{self.model}: its metadata does not describe a network ({error}).") from error

    @property
    def channels(self) -> int:
        """The channels of the input: 3, or 4 with a level or a mask."""
        return 3 if self.conditioning == "image" else 4

    @property
    def conditioning(self) -> str:
        return getattr(self.config, "conditioning", "image")

    @property
    def size_multiple(self) -> int:
        """The number, in pixels, that must divide height and width of an input."""
        return self.config.size_multiple(self.info.size)

    @property
    def min_side(self) -> int:
        """The smallest height and width of an input, in pixels."""
        return -(-MIN_SIDE // self.size_multiple) * self.size_multiple

    def to_strings(self) -> dict[str, str]:
        """Return the metadata as texts by name. All but those of i2i's own keys are for other programs and people."""
        info, fourth = self.info, _FOURTH_CHANNEL.get(self.conditioning)
        own = {
            "format": EXPORT_FORMAT, "model": self.model, "direction": self.direction, "precision": self.precision,
            "source": self.source, "version": self.version, "without_dropout": self.without_dropout,
            "difference": self.difference,
        }  # fmt: skip
        texts = {
            MODEL_KEY: replace_surrogates(json.dumps(info.to_metadata(), ensure_ascii=False)),
            EXPORT_KEY: json.dumps(own),
            "model": self.model,
            "direction": self.direction,
            "title": info.title,
            "task": info.task_title,
            "layout": "NCHW RGB",
            "channel_4": fourth or "",
            "value_range": "-1 1",
            "size_multiple": str(self.size_multiple),
            "min_side": str(self.min_side),
            "scale": str(info.scale),
            "weights": self.precision,
            "max_difference": f"{self.difference:.2g}",
            "method": " ".join(filter(None, (info.method, info.recipe))),
            "trained_on": info.data.name,
            "licence": info.licence,
            "source_sha256": self.source,
            "program": f"i2i {self.version}",
        }
        return {name: replace_surrogates(text) for name, text in texts.items() if text}

    @classmethod
    def from_strings(cls, texts: Mapping[str, str], source: str) -> Self | None:
        """Return the metadata of a file; None if it has none of i2i.

        Args:
            texts: as ``to_strings`` returned them.
            source: name of the file, for messages.

        Raises: ModelFileError if they are not usable.
        """
        if MODEL_KEY not in texts or EXPORT_KEY not in texts:
            return None
        info = parse_info(Path(source), {METADATA_KEY: _limited(texts[MODEL_KEY], source)})
        fields = MetadataFields(_parse(_limited(texts[EXPORT_KEY], source), source), source, "export.")
        if fields.integer("format") != EXPORT_FORMAT:
            raise ModelFileError(f"{source} was exported by a later version of i2i. Update i2i.")
        if not info.takes_pictures:
            raise ModelFileError(f"{source}: its metadata states other images than RGB. The file is damaged.")
        direction, precision = fields.text("direction"), fields.text("precision")
        if direction not in list(Direction) or precision not in ("float32", "float16", "int8"):
            raise ModelFileError(
                f"{source}: its metadata names direction {direction!r} and precision {precision!r}, which i2i does not "
                "have. The file is damaged, or a program other than i2i wrote it."
            )
        export = cls(
            info=info, model=fields.text("model"), direction=direction, precision=precision,  # type: ignore[arg-type]
            source=fields.text("source"), version=fields.text("version"),
            without_dropout=fields.flag("without_dropout"),
            difference=fields.number("difference", 0.0),
        )  # fmt: skip
        _ = export.size_multiple  # checks the config
        return export


def _limited(text: Any, source: str) -> str:
    if not isinstance(text, str) or len(text) > MAX_METADATA:
        raise ModelFileError(f"{source}: its metadata of i2i are no text of at most {MAX_METADATA} characters.")
    return text


def _parse(text: str, source: str) -> dict[str, Any]:
    try:
        return parse_json_table(text)
    except JsonError as error:
        raise ModelFileError(f"{source} is no usable model: its metadata {error}.") from error
