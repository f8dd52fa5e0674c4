"""The command-line flags of a config."""

import dataclasses
from collections.abc import Iterator
from typing import Any, Literal

from i2i.config._unions import discriminator_field, discriminator_values, field_types, union_members


@dataclasses.dataclass(frozen=True)
class Flag:
    """One command-line flag of a config.

    Attributes:
        name: name without the leading dashes.
        path: names of the fields that lead to the value.
        type: type of the value.
        default: current value.
        help: meaning and unit.
        variants: for a field of a union's variants, the default value of each variant that has it, by the variant's
            name; empty for other fields.
    """

    name: str
    path: tuple[str, ...]
    type: Any
    default: Any
    help: str
    variants: dict[str, Any] = dataclasses.field(default_factory=dict, hash=False)


def flags(config: Any, path: tuple[str, ...] = (), prefix: str = "") -> Iterator[Flag]:
    """Yield a flag for each field of ``config`` and of its nested configs, depth first.

    Fields of several variants of a union that have the same name share one flag.

    Args:
        config: the config; its values are the defaults of the flags.
        path: prepended to the path of each flag.
        prefix: prefix of the names.
    """
    hints = field_types(type(config))
    for field in dataclasses.fields(config):
        if field.name == discriminator_field(type(config)):
            continue
        value = getattr(config, field.name)
        hint = hints[field.name]
        field_path = (*path, field.name)
        if dataclasses.is_dataclass(value):
            others = [cls() for cls in union_members(hint) if not isinstance(value, cls)]
            yield from _union_flags(field, [value, *others], field_path)
        else:
            name = "-".join(filter(None, (prefix, field.metadata["flag"] or field.name))).replace("_", "-")
            yield Flag(name, field_path, hint, value, field.metadata["help"])


def _union_flags(field: Any, configs: list[Any], path: tuple[str, ...]) -> Iterator[Flag]:
    """Yield the flags of a nested config.

    Args:
        field: the dataclass field that holds the nested config.
        configs: the current value, then the default config of each other variant.
        path: path of the field.
    """
    current = configs[0]
    discriminator = discriminator_field(type(current))
    names = [name for config in configs for name in discriminator_values(type(config))]
    if len(names) > 1:
        flag_name = field.metadata["flag"] or field.name
        hint: Any = Literal[tuple(names)]
        yield Flag(flag_name, (*path, discriminator), hint, getattr(current, discriminator), field.metadata["help"])
    owners_by_path: dict[tuple[str, ...], list[tuple[Any, Flag]]] = {}
    for config in configs:
        for flag in flags(config, path, field.metadata["prefix"]):
            owners_by_path.setdefault(flag.path, []).append((config, flag))
    for owners in owners_by_path.values():
        first_owner, flag = owners[0]
        variants = {getattr(config, discriminator, ""): flag.default for config, flag in owners}
        help = flag.help if first_owner is current else f"{flag.help} ({', '.join(variants)} only)"
        yield dataclasses.replace(flag, help=help, variants=variants if len(names) > 1 else flag.variants)
