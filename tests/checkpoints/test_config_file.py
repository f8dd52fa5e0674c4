"""The checksum of a run's ``config.json``."""

import json

import pytest

from i2i.checkpoints.config_file import decode_config, encode_config
from i2i.json_parsing import JsonError

CONFIG = {
    "method": "cyclegan", "training": {"lr": 0.0002, "steps": 120, "ema": 1e-05},
    "data": {"flip": True, "data_a": None}, "data_paths": {"x\udcff": "/data/\u00e9"},
}  # fmt: skip


def test_settings_are_read_as_they_were_written() -> None:
    assert decode_config(encode_config(CONFIG)) == (CONFIG, True)


def test_every_flipped_bit_is_harmless_or_noticed() -> None:
    text = encode_config(CONFIG)
    unnoticed = []
    for place in range(8 * len(text)):
        damaged = bytearray(text)
        damaged[place // 8] ^= 1 << place % 8
        try:
            content, is_unchanged = decode_config(bytes(damaged))
        except JsonError:
            continue
        if is_unchanged and {name: content.get(name) for name in CONFIG} != CONFIG:
            unnoticed.append((place, content))
    assert unnoticed == []


@pytest.mark.parametrize("line", ["", '"sha256": "0",', '"sha256": 3,'])
def test_settings_of_an_earlier_version_have_no_checksum(line: str) -> None:
    text = json.dumps(CONFIG).replace("{", "{" + line, 1).encode()
    assert decode_config(text) == (CONFIG, not line)
