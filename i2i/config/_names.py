"""Names of settings, as a user knows them, in messages."""

from collections.abc import Mapping

from i2i.errors import ConfigError, SettingError

Path = tuple[str, ...]


def rename_settings(error: SettingError, names: Mapping[Path, str]) -> ConfigError:
    """Return an error that names settings by ``names`` instead of by the paths of their fields.

    A network knows the settings that it uses by their names alone, such as ``size``: such a name stands for the field
    of one section, if only one has it. Settings without a name in ``names`` keep their paths.

    Args:
        error: about settings of a config.
        names: the name of each setting, such as "--size", by the path of its field, such as ("data", "size").
    """

    def name(path: Path) -> str:
        if path in names:
            return names[path]
        in_sections = [known for known in names if len(known) == 2 and known[1:] == path]
        return names[in_sections[0]] if len(in_sections) == 1 else ".".join(path)

    return error.with_names(name)
