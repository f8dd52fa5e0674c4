"""Plugins: methods, recipes, networks, tasks and datasets that other packages add through entry points.

A package names its objects in its ``pyproject.toml``:

    [project.entry-points."i2i.networks"]
    wavelet = "i2i_wavelet:WaveletConfig"

Names are read from the metadata of the installed packages. An object is imported when it is used. A plugin that cannot
be used is reported with its name and package, and everything else works.
"""

import logging
from collections.abc import Callable, Collection
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from i2i.errors import PluginError

logger = logging.getLogger(__name__)
_groups: list["PluginGroup"] = []


class PluginGroup:
    """The plugins of one kind.

    Args:
        group: name of the entry points, such as "i2i.networks".
        kind: of the objects, in words, such as "network".
        builtin: returns the names that i2i has itself. A plugin cannot take one of them.
        check: returns the object of a plugin as i2i uses it. Gets the name and the loaded object, and raises TypeError
            or ValueError in words if the object is not usable.
    """

    def __init__(
        self, group: str, kind: str, builtin: Callable[[], Collection[str]], check: Callable[[str, Any], Any]
    ) -> None:
        self.group = group
        self.kind = kind
        self._builtin = builtin
        self._check = check
        self._loaded: dict[str, Any] = {}
        self._reported: set[str] = set()
        _groups.append(self)

    def names(self) -> list[str]:
        """Return the names of the plugins, sorted, without importing them. Refused names are reported, once."""
        usable = []
        for name, found in sorted(_entry_points(self.group).items()):
            if reason := self._refusal(name, found):
                self._report(name, reason)
            else:
                usable.append(name)
        return usable

    def find(self, name: str) -> Any:
        """Return the object of a plugin, or None if there is no plugin of this name.

        Raises: PluginError if the plugin cannot be used.
        """
        found = _entry_points(self.group).get(name)
        if found is None:
            return None
        if reason := self._refusal(name, found):
            raise PluginError(reason)
        if name not in self._loaded:
            self._loaded[name] = self._load(name, found[0])
        return self._loaded[name]

    def load_all(self) -> dict[str, Any]:
        """Return the objects of all plugins by name. Those that cannot be used are reported, once, and left out."""
        objects = {}
        for name in self.names():
            try:
                objects[name] = self.find(name)
            except PluginError as error:
                self._report(name, str(error))
        return objects

    def package_of(self, name: str) -> str:
        """Return the package of a plugin with its version, such as "i2i-wavelet 1.0"; "" if there is none."""
        found = _entry_points(self.group).get(name)
        return _package(found[0]) if found and name not in self._builtin() else ""

    def _load(self, name: str, entry_point: EntryPoint) -> Any:
        try:
            return self._check(name, entry_point.load())
        except Exception as error:  # a plugin may raise anything when it is imported
            reason = str(error).strip(". ") or type(error).__name__
            label = "" if isinstance(error, TypeError | ValueError) else f"{type(error).__name__}: "
            raise PluginError(f"{self._describe(name, entry_point)} cannot be used: {label}{reason}.") from error

    def _refusal(self, name: str, found: list[EntryPoint]) -> str:
        """Return why a name is refused; "" if it is not."""
        if name in self._builtin():
            return f"{self._describe(name, found[0])} is refused: i2i has a {self.kind} of this name."
        if len(found) > 1:
            packages = " and ".join(sorted(map(_package, found)))
            return f"The {self.kind} {name!r} is refused: the packages {packages} both have it. Uninstall one of them."
        return ""

    def _describe(self, name: str, entry_point: EntryPoint) -> str:
        return f"The {self.kind} {name!r} of the package {_package(entry_point)}"

    def _report(self, name: str, reason: str) -> None:
        if name not in self._reported:
            self._reported.add(name)
            logger.warning("%s", reason)

    def clear(self) -> None:
        """Forget what was loaded and reported."""
        self._loaded.clear()
        self._reported.clear()


def plugin_names(group: str) -> dict[str, str]:
    """Return the package of each plugin of a group by name, without importing anything but metadata.

    Names that are taken by i2i or by two packages are among them: only a ``PluginGroup`` knows and refuses them.
    """
    return {name: _package(found[0]) for name, found in sorted(_entry_points(group).items())}


def reload() -> None:
    """Read the metadata of the installed packages again, such as after an installation in a running session."""
    _entry_points.cache_clear()
    for group in _groups:
        group.clear()


@cache
def _entry_points(group: str) -> dict[str, list[EntryPoint]]:
    """Return the entry points of a group by name: one for each package."""
    by_name: dict[str, dict[str, EntryPoint]] = {}
    for entry_point in entry_points(group=group):
        by_name.setdefault(entry_point.name, {}).setdefault(_package(entry_point), entry_point)
    return {name: list(by_package.values()) for name, by_package in by_name.items()}


def _package(entry_point: EntryPoint) -> str:
    distribution = entry_point.dist
    return f"{distribution.name} {distribution.version}" if distribution is not None else "an unknown package"
