"""What the blind test looks like: a trial, and what came of them, as HTML."""

import base64
from collections.abc import Callable, Sequence
from html import escape

from i2i.demo.blind_test.sessions import Question, Trial, Verdict
from i2i.evaluation.votes import Tally

PAUSE, LONG_PAUSE = 600, 1600  # milliseconds before a trial is shown, and after a word about the one before
ENOUGH = 40  # votes below which a rate says next to nothing
Way = Callable[[Tally], str]


def trial(dealt: Trial, asked: Question, verdict: Verdict | None = None) -> str:
    """A trial as judge.js plays it. verdict: of the trial before, where it was for practice.

    Nothing in it says which side is which: one picture holds both.
    """
    count = asked.warm_up if dealt.practice else asked.trials
    told = verdict is not None and verdict.right is not None
    picture = base64.b64encode(dealt.picture).decode()
    exposure = "" if asked.exposure is None else f"{1000 * asked.exposure:.0f}"
    question = "Which one looks more like a real picture?" if asked.other else "Which one is real?"
    return (
        f'<div class="trial" tabindex="-1" data-key="{escape(dealt.key)}" data-exposure="{exposure}" '
        f'data-pause="{LONG_PAUSE if told else PAUSE}" data-picture="data:image/png;base64,{picture}">'
        f'<div class="head"><span>{"Practice" if dealt.practice else "Trial"} {dealt.number} of {count}</span>'
        f"{_feedback(verdict)}</div>"
        f'<div class="track" aria-hidden="true"><i style="width:{100 * (dealt.number - 1) / count:.1f}%"></i></div>'
        f'<div class="pair"><div class="half" data-side="left" role="img" aria-label="The left picture"></div>'
        '<div class="half" data-side="right" role="img" aria-label="The right picture"></div></div>'
        f'<p class="ask" aria-live="polite">{question}</p>'
        '<div class="keys"><button type="button" data-side="left" disabled>Left <kbd>←</kbd><kbd>F</kbd></button>'
        '<button type="button" data-side="right" disabled>Right <kbd>J</kbd><kbd>→</kbd></button></div>'
        '<button type="button" class="stop">Stop here</button></div>'
    )


def _feedback(verdict: Verdict | None) -> str:
    if verdict is None or verdict.right is None:
        return ""
    if verdict.right:
        return '<b class="right" role="status">Right, that one was real.</b>'
    return '<b class="wrong" role="status">No, that one was made by the model.</b>'


def outcome(mine: Tally | None, everybody: Sequence[Tally], way: Way) -> str:
    """The end of a session: what it found, and what all of them found so far."""
    return f'<div class="outcome"><h3>Thank you</h3><p>{escape(_mine(mine))}</p>{scores(everybody, way)}</div>'


def _mine(mine: Tally | None) -> str:
    if mine is None:
        return "You stopped before the first trial that counts, so nothing was kept."
    low, high = (_percent(end) for end in mine.interval())
    found = f"in {mine.for_it} of {mine.votes} trials: {_percent(mine.rate)} (95\u00a0% interval: {low} to {high})."
    if mine.other:
        return f"You preferred {mine.model} to {mine.other} {found} At 50\u00a0% neither is better."
    return (
        f"You took the translated picture for the real one {found} Who cannot tell them apart is near 50\u00a0%, who "
        "always can is at 0\u00a0%."
    )


def scores(found: Sequence[Tally], way: Way) -> str:
    """Tallies as bars with their intervals, on one scale from 0 to 100 %. way: the direction of one, in words."""
    if not found:
        return '<p class="none">Nobody has voted yet.</p>'
    lines = "".join(_score(tally, way) for tally in found)
    axis = "".join(f'<i style="left:{tick}%">{tick}\u00a0%</i>' for tick in (0, 50, 100))
    few = any(tally.votes < ENOUGH for tally in found)
    note = f" Fewer than {ENOUGH} votes say next to nothing." if few else ""
    return (
        f'<div class="scores">{lines}<div class="score axis" aria-hidden="true"><span></span><span class="bars">{axis}'
        "</span><span></span></div></div><p class=note>The bar is the 95\u00a0% interval (Wilson), the line in the "
        f"middle what chance gives.{note}</p>"
    )


def _score(tally: Tally, way: Way) -> str:
    low, high = tally.interval()
    what = f"preferred to {tally.other}" if tally.other else "taken for real"
    people = "1 person" if tally.people == 1 else f"{tally.people} people"
    bar = f"left:{100 * low:.1f}%;width:{100 * (high - low):.1f}%"
    return (
        f'<div class="score"><span class="name"><b>{escape(tally.model)}</b><small>{escape(way(tally))}, '
        f'{escape(tally.shown)}</small></span><span class="bars"><i class="bar" style="{bar}"></i><i class="dot" '
        f'style="left:{100 * tally.rate:.1f}%"></i></span><span class="value"><b>{_percent(tally.rate)}</b> '
        f"{escape(what)}<small>{tally.for_it} of {tally.votes} votes, {people}</small></span></div>"
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f}\u00a0%"
