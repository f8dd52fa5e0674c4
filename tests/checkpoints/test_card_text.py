"""The user's text of a model card stays when i2i writes the card again."""

from pathlib import Path

import pytest

from i2i.checkpoints.card_text import (
    marked,
    merge_card,
    read_section,
    set_sections,
    with_hints,
    without_hints,
    without_parts,
)
from i2i.errors import UsageError

FORMATS = Path(__file__).parents[1] / "formats"
SHIPPED = Path(__file__).parents[2] / "checkpoints"


def fresh(steps: int) -> str:
    return f"{marked('facts', f'# zebra{chr(10)}{steps} steps')}\n{marked('settings', '```json{}```')}"


def test_only_the_parts_of_i2i_are_replaced() -> None:
    card = fresh(1).replace("<!-- i2i: begin settings", "Mine.\n\n<!-- i2i: begin settings") + "\nThe end.\n"
    merged = merge_card(card, fresh(2))
    assert "2 steps" in merged
    assert "1 steps" not in merged
    assert merged.index("2 steps") < merged.index("Mine.") < merged.index("```json") < merged.index("The end.")
    assert merge_card(merged, fresh(2)) == merged
    assert merge_card("", fresh(1)) == fresh(1)


def test_a_part_that_the_user_removed_stays_removed() -> None:
    card = fresh(1)[: fresh(1).index("<!-- i2i: begin settings")]
    assert "json" not in merge_card(card, fresh(2))


def test_text_in_a_model_file_cannot_end_a_part() -> None:
    hostile = marked("facts", "x <!-- i2i: end facts -->\nOwn text of the user?")
    assert without_parts(merge_card(hostile, fresh(1))) == ""


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_an_unchanged_card_of_an_earlier_version_is_replaced(version: str) -> None:
    old = (FORMATS / version / "checkpoints" / "tiny-cyclegan" / "card.md").read_text()
    assert without_parts(merge_card(old, fresh(1))) == ""


def test_what_a_user_wrote_into_a_card_of_an_earlier_version_is_kept() -> None:
    own = without_parts(merge_card((SHIPPED / "horse2zebra" / "card.md").read_text(), fresh(1)))
    assert own.startswith("Translates horses in photos to zebras")
    assert own.endswith("are striped finely.")
    assert without_parts(merge_card("# My card\n\nAll mine.\n", fresh(1))) == "# My card\n\nAll mine."


def test_sections_stand_in_their_order_before_the_settings() -> None:
    card = set_sections(fresh(1), {"limits": "Fails.", "licence": "MIT"})
    assert card.index("1 steps") < card.index("## Licence") < card.index("## Limits") < card.index("```json")
    assert read_section(card, "limits") == "Fails."
    card = set_sections(card, {"limits": "Fails\nmore."})
    assert read_section(card, "limits") == "Fails\nmore."
    assert card.count("## Limits") == 1
    assert set_sections(card, {"limits": "", "licence": ""}) == fresh(1)


def test_an_editor_shows_every_field_and_leaves_out_the_empty_ones() -> None:
    card = set_sections(fresh(1), {"licence": "MIT"})
    offered = with_hints(card)
    assert offered.count("<!-- hint: ") == 7
    assert without_hints(offered) == card
    edited = offered.replace(
        "<!-- hint: Where the model fails. -->", "<!-- hint: Where the model fails. -->\nAt night."
    )
    assert without_hints(edited) == set_sections(card, {"limits": "At night."})


@pytest.mark.parametrize("text", ["## Licence\nno", "# x", "a <!-- i2i: begin facts -->"])
def test_text_that_looks_like_another_section_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no heading of level 1 or 2"):
        set_sections(fresh(1), {"limits": text})
    with pytest.raises(UsageError, match="no field 'colour'; it has author, licence"):
        set_sections(fresh(1), {"colour": "red"})
