import pytest
import torch
from torch import Tensor

from i2i.methods.image_pool import ImagePool


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def numbered(first: int, count: int) -> Tensor:
    """Return ``count`` images of one pixel with the values ``first``, ``first`` + 1, …"""
    return torch.arange(first, first + count, dtype=torch.float32).view(-1, 1, 1, 1).expand(-1, 3, 1, 1)


def query(pool: ImagePool, fakes: Tensor) -> Tensor:
    pool.prepare_step(len(fakes))
    return pool.query(fakes)


def test_the_pool_returns_each_fake_until_it_is_full() -> None:
    pool = ImagePool(50, 1)
    assert torch.equal(query(pool, numbered(0, 50)), numbered(0, 50))
    assert torch.equal(pool.pictures, numbered(0, 50))
    assert pool.num_filled == 50


def test_a_full_pool_returns_a_stored_image_half_of_the_time() -> None:
    pool = ImagePool(50, 1)
    query(pool, numbered(0, 50))
    returned = query(pool, numbered(50, 2000))
    assert (returned != numbered(50, 2000))[:, 0, 0, 0].float().mean().item() == pytest.approx(0.5, abs=0.04)


def test_the_pool_neither_loses_nor_duplicates_a_fake() -> None:
    pool = ImagePool(5, 1)
    returned = [query(pool, numbered(4 * turn, 4)) for turn in range(25)]
    values = torch.cat(returned)[5:, 0, 0, 0].tolist()  # the first five are both returned and stored
    assert sorted(values + pool.pictures[:, 0, 0, 0].tolist()) == list(range(100))


def test_the_pool_replaces_every_slot() -> None:
    pool = ImagePool(5, 1)
    query(pool, numbered(0, 5))
    query(pool, numbered(5, 200))
    assert (pool.pictures >= 5).all()


def test_a_pool_of_0_returns_the_fakes() -> None:
    fakes = numbered(0, 3)
    assert ImagePool(0, 1).query(fakes) is fakes


def test_a_pool_resumes_exactly_from_its_state() -> None:
    pool, resumed = ImagePool(5, 1), ImagePool(5, 1)
    query(pool, numbered(0, 20))
    resumed.load_state_dict(pool.state_dict())
    results = []
    for item in (pool, resumed):
        torch.manual_seed(3)
        results.append(query(item, numbered(20, 20)))
    assert torch.equal(*results)
    assert torch.equal(pool.pictures, resumed.pictures)
