import shutil
from pathlib import Path

import pytest

from tests.data.audit.images import random_image, save_image


@pytest.fixture(scope="module")
def healthy_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An unpaired dataset without problems."""
    root = tmp_path_factory.mktemp("audit") / "healthy"
    for part, first, count in (("trainA", 0, 50), ("trainB", 100, 50), ("testA", 200, 2), ("testB", 300, 2)):
        for k in range(count):
            save_image(root / part / f"{k}.jpg", random_image(first + k))
    return root


@pytest.fixture
def healthy(healthy_template: Path, tmp_path: Path) -> Path:
    return shutil.copytree(healthy_template, tmp_path / "set")
