"""Configuration: frozen dataclasses, their JSON, and their command-line flags.

A config class is in the module of the class that it configures. Each field is an
``option(default, "meaning and unit", ge=0)``. The text is the flag's help and the documentation. The bounds are checked
when a config is created. A field may hold another config, or one of several (a discriminated union such as
``ResnetConfig | UnetConfig``). A discriminator field such as ``network: Literal[...]`` distinguishes the variants of a
union.
"""

from i2i.config._fields import Bounds, Config, option, require, validate
from i2i.config._flags import Flag, flags
from i2i.config._json import from_json, merge, to_json
from i2i.config._names import rename_settings
from i2i.config._unions import discriminator_values, extend_unions

__all__ = [
    "Bounds", "Config", "Flag", "discriminator_values", "extend_unions", "flags", "from_json", "merge", "option",
    "rename_settings", "require", "to_json", "validate",
]  # fmt: skip
