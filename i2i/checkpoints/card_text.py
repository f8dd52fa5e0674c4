"""The text of a model card: parts that i2i writes, between marks, and everything else, which belongs to the user."""

import re
from collections.abc import Mapping

from i2i.errors import UsageError

SECTIONS = {  # heading of each field, in the order of a card
    "author": "Author",
    "licence": "Licence",
    "intended-use": "Intended use",
    "data": "Training data",
    "metrics": "Metrics",
    "limits": "Limits",
    "sample": "Sample image",
}
HINTS = {
    "author": "Who made the model, and how to cite it.",
    "licence": "Licence of the weights, such as CC-BY-4.0. On the first line its name alone.",
    "intended-use": "What the model is for, and what it is not for.",
    "data": "Where the training images come from, and what they show.",
    "metrics": "Results with their protocol: data, split, number of images, size, intervals.",
    "limits": "Where the model fails.",
    "sample": "A Markdown image, such as ![A horse and its translation](sample.jpg).",
}
_PART = re.compile(r"<!-- i2i: begin (\w+)[^\n]*-->\n.*?<!-- i2i: end \1 -->\n?", re.DOTALL)
_HINT = re.compile(r"<!-- hint: [^\n]*-->\n?")
_MARK = "<!-- i2i:"


def marked(name: str, text: str) -> str:
    """Return a part that i2i writes, between its marks."""
    text = text.replace(_MARK, "<!- i2i:")  # of a title or name in a model file
    return (
        f"<!-- i2i: begin {name}. i2i replaces the text up to the end mark. -->\n{text.strip()}\n"
        f"<!-- i2i: end {name} -->\n"
    )


def merge_card(existing: str, fresh: str) -> str:
    """Return a card with the parts of i2i of ``fresh``, and all else of ``existing``.

    A part that the user removed stays removed. Of a card without parts, as earlier versions wrote it, the text that
    they did not write is kept.

    Args:
        existing: card with the user's text; "" for none.
        fresh: card that holds parts of i2i alone.
    """
    if not existing.strip():
        return fresh
    parts = {match[1]: match[0] for match in _PART.finditer(fresh)}
    if _PART.search(existing) is None:
        facts, settings = parts.get("facts", ""), parts.get("settings", "")
        own = _own_text_of_old_card(existing)
        return "\n".join(filter(None, (facts, f"{own}\n" if own else "", settings)))
    return _PART.sub(lambda match: parts.get(match[1], match[0]), existing)


def without_parts(card: str) -> str:
    """Return the user's text of a card."""
    return _PART.sub("", card).strip()


def _own_text_of_old_card(card: str) -> str:
    """Return what a user added to a card without parts: text between its table and "Use:", and after its settings."""
    head = re.match(r"# .*?\n\| directions \|[^\n]*\n", card, re.DOTALL)
    use = re.search(r"^Use:\n", card, re.MULTILINE)
    end = re.search(r"^(?:Settings|Network):\n\n```json\n.*?^```\n?", card, re.MULTILINE | re.DOTALL)
    if head is None or use is None or end is None or not head.end() <= use.start() < end.start():
        return card.strip()  # written by the user as a whole
    notes = card[head.end() : use.start()].strip(), card[end.end() :].strip()
    return "\n\n".join(filter(None, notes))


def read_section(card: str, field: str) -> str:
    """Return the text below the heading of a field; "" if there is none."""
    match = _section(field).search(card)
    return match[1].strip() if match else ""


def set_sections(card: str, values: Mapping[str, str]) -> str:
    """Return a card with other text below the headings of fields. An empty text removes the section.

    Raises: UsageError for an unknown field, or text that would be taken for another section or for a part of i2i.
    """
    for field, text in values.items():
        if field not in SECTIONS:
            raise UsageError(f"A card has no field {field!r}; it has {', '.join(SECTIONS)}.")
        if _MARK in text or re.search(r"^##? ", text, re.MULTILINE):
            raise UsageError(f"The text of {field} may hold no heading of level 1 or 2 and no mark of i2i. Use ###.")
        section = f"## {SECTIONS[field]}\n\n{text.strip()}\n\n" if text.strip() else ""
        if (match := _section(field).search(card)) is not None:
            card = card[: match.start()] + section + card[match.end() :]
        else:
            card = _insert(card, field, section)
    return card


def _section(field: str) -> re.Pattern[str]:
    return re.compile(
        rf"^## {SECTIONS[field]}[ \t]*\n(.*?)(?=^##? |^{_MARK} begin|\Z)", re.MULTILINE | re.DOTALL | re.IGNORECASE
    )


def _insert(card: str, field: str, section: str) -> str:
    """Insert a section before the next one in order, or before the settings, or at the end."""
    if not section:
        return card
    names = list(SECTIONS)
    for later in names[names.index(field) + 1 :]:
        if (match := _section(later).search(card)) is not None:
            return card[: match.start()] + section + card[match.start() :]
    if (match := re.search(rf"^{_MARK} begin settings", card, re.MULTILINE)) is not None:
        return card[: match.start()] + section + card[match.start() :]
    return f"{card.rstrip()}\n\n{section}"


def with_hints(card: str) -> str:
    """Return a card for an editor: with the heading of every field, and a comment that says what belongs below it."""
    for field, hint in HINTS.items():
        text = read_section(card, field)
        card = set_sections(card, {field: f"<!-- hint: {hint} -->\n{text}".strip()})
    return card


def without_hints(card: str) -> str:
    """Return a card from an editor without the comments of ``with_hints`` and without empty sections."""
    card = _HINT.sub("", card)
    return set_sections(card, {field: read_section(card, field) for field in SECTIONS})
