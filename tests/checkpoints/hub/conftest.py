"""A local Hub with a login and an empty cache."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.checkpoints.hub.server import TOKEN, Hub, serve

constants = pytest.importorskip("huggingface_hub.constants")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """The Hub that ``huggingface_hub`` uses in this process. ``huggingface_hub`` reads the environment on import."""
    from i2i.checkpoints.hub import download

    with serve() as hub:
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", f"{hub.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        )
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(download, "_fetched", {})
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield hub
