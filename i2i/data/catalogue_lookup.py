"""Datasets of the catalogue and of plugins by name."""

import difflib

from i2i.data.catalogue import CATALOGUE, CatalogueEntry
from i2i.data.plugins import DATASET_PLUGINS
from i2i.errors import DatasetError


def find_entry(name: str) -> CatalogueEntry | None:
    """Return a dataset of the catalogue or of a plugin, or None. Raises PluginError if the plugin is broken."""
    entry = CATALOGUE.get(name) or DATASET_PLUGINS.find(name)
    return entry if isinstance(entry, CatalogueEntry) else None


def catalogue_entries() -> list[CatalogueEntry]:
    """Return the datasets of the catalogue and of plugins."""
    more = DATASET_PLUGINS.load_all().values()
    return [*CATALOGUE.values(), *(entry for entry in more if isinstance(entry, CatalogueEntry))]


def require_entry(name: str) -> CatalogueEntry:
    """Return a dataset of the catalogue or of a plugin. Raises DatasetError, with similar names, if there is none."""
    entry = find_entry(name)
    if entry is not None:
        return entry
    names = [entry.name for entry in catalogue_entries()]
    similar = difflib.get_close_matches(name, names, n=3)
    hint = f"Did you mean {' or '.join(similar)}?" if similar else f"It has: {', '.join(sorted(names))}."
    raise DatasetError(f"{name!r} is not in the catalogue. {hint}")
