import pytest

from i2i.checkpoints.hub.address import HubAddress, is_hub_address, parse_address
from i2i.errors import ModelFileError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hf://user/repo", HubAddress("user/repo")),
        ("hf:/user/repo", HubAddress("user/repo")),  # a Path has one slash
        ("hf://models/user/repo", HubAddress("user/repo")),
        ("hf://user/repo@v1.0", HubAddress("user/repo", "v1.0")),
        ("hf://user/repo@refs/pr/3/x.pth", HubAddress("user/repo", "refs/pr/3", "x.pth")),
        ("hf://u.s-er/Real_ESRGAN/weights/4x.pth", HubAddress("u.s-er/Real_ESRGAN", None, "weights/4x.pth")),
    ],
)
def test_address_is_parsed(text: str, expected: HubAddress) -> None:
    assert parse_address(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "hf://", "hf://repo", "hf://user/", "hf://../repo", "hf://user/..", "hf://user/repo@", "hf://user/repo@-x",
        "hf://user/repo/../../x.pth", "hf://user/repo//x.pth", "hf://user/re po", "hf://user/repo/code.py",
        "hf://user/repo/x.pth\n", "hf://user/a--b", "hf://datasets/user/repo", "hf://user/repo:BtoA",
        "hf://user/repo+denoise", "hf://user/repo/x.pth+hf://user/repo/y.pth",
    ],
)  # fmt: skip
def test_other_text_is_refused_without_a_request(text: str) -> None:
    assert is_hub_address(text)
    with pytest.raises(ModelFileError, match=r"hf://|no model file"):
        parse_address(text)


def test_names_and_paths_are_no_addresses() -> None:
    assert not any(map(is_hub_address, ("horse2zebra", "hf", "checkpoints/hf", "/hf:/x", "hfx://user/repo")))
