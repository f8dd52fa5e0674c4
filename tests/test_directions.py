import json

import pytest

from i2i.directions import Direction, describe_direction


def test_a_direction_knows_its_domains_and_its_reverse() -> None:
    forward = Direction("AtoB")
    assert (forward.source, forward.target, forward.source_index, forward.target_index) == ("A", "B", 0, 1)
    assert forward.reverse is Direction.B_TO_A
    assert forward.reverse.reverse is forward
    assert (forward.reverse.source_index, forward.reverse.target_index) == (1, 0)


def test_a_direction_is_its_value_in_files_messages_and_dicts() -> None:
    assert json.dumps([Direction.A_TO_B]) == '["AtoB"]'
    assert f"{Direction.B_TO_A}.weight" == "BtoA.weight"
    assert {"AtoB": 1}[Direction.A_TO_B] == 1


@pytest.mark.parametrize(
    ("name", "text"), [("AtoB", "A to B"), ("BtoA", "B to A"), ("sample", "Images from noise"), ("odd", "odd")]
)
def test_any_direction_of_a_file_has_a_description(name: str, text: str) -> None:
    assert describe_direction(name) == text
