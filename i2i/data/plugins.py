"""Datasets of other packages: drawn from a seed, or downloaded."""

from typing import Any

from i2i.plugins import PluginGroup


def _check(name: str, dataset: Any) -> Any:
    """Return a ``SyntheticDataset`` or a ``CatalogueEntry`` of this name."""
    from i2i.data.catalogue import CatalogueEntry
    from i2i.data.synthetic import SyntheticDataset

    if not isinstance(dataset, SyntheticDataset | CatalogueEntry):
        raise TypeError(f"{dataset!r} is neither a SyntheticDataset nor a CatalogueEntry")
    if dataset.name != name:
        raise ValueError(f"its dataset is called {dataset.name!r}")
    return dataset


def _builtin() -> list[str]:
    from i2i.data.catalogue import CATALOGUE
    from i2i.data.synthetic import SYNTHETIC_DATASETS

    return [*CATALOGUE, *SYNTHETIC_DATASETS]


DATASET_PLUGINS = PluginGroup("i2i.datasets", "dataset", _builtin, _check)
