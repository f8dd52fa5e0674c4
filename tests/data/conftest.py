"""Fixtures: a download from a server on this machine."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from i2i.data.download import download
from tests.data.http_site import Site, serve

Fetch = Callable[..., str]


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("no_proxy", "*")
    with serve() as site:
        yield site


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "set.zip"


@pytest.fixture
def delays() -> list[float]:
    return []


@pytest.fixture
def fetch(site: Site, path: Path, delays: list[float]) -> Fetch:
    def call(**options: Any) -> str:
        return download(site.url, path, sleep=delays.append, **options)

    return call
