"""HTML of the blind test: a trial, the result of a session and the tallies of votes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from i2i.demo.blind_test.sessions import Answer, SessionSettings, Trial
from i2i.demo.rendering import png_data_url, render
from i2i.evaluation.votes import Tally

PAUSE_MS = 600  # before a trial
FEEDBACK_PAUSE_MS = 1600  # before a trial that shows feedback on the one before
MIN_VOTES = 40  # below this number of votes the page warns about the rates
LabelFn = Callable[[Tally], str]


def trial_html(trial: Trial, settings: SessionSettings, answer: Answer | None = None) -> str:
    """Return a trial as HTML for static/blind_test.js. Nothing in it reveals which side is real.

    Args:
        trial: the trial to show.
        settings: the settings of its session.
        answer: the answer to the trial before, for feedback in practice.
    """
    feedback = None if answer is None else answer.correct
    return render(
        "trial",
        trial=trial,
        count=settings.practice_trials if trial.practice else settings.trials,
        image=png_data_url(trial.image),
        exposure_ms="" if settings.exposure is None else f"{1000 * settings.exposure:.0f}",
        pause_ms=PAUSE_MS if feedback is None else FEEDBACK_PAUSE_MS,
        question="Which one looks more like a real image?" if settings.opponent else "Which one is real?",
        feedback=feedback,
    )


def result_html(own: Tally | None, all_tallies: Sequence[Tally], label: LabelFn) -> str:
    """Return the end of a session as HTML.

    Args:
        own: the tally of this session, or None without votes.
        all_tallies: the tallies of all sessions with this model.
        label: returns the direction of a tally in words.
    """
    return render("session_result", summary=_summary(own), **_tally_context(all_tallies, label))


def tally_bars(tallies: Sequence[Tally], label: LabelFn) -> str:
    """Return tallies as HTML: bars with their intervals, on one scale from 0 to 100 %.

    Args:
        tallies: the tallies.
        label: returns the direction of a tally in words.
    """
    return render("tally_bars", **_tally_context(tallies, label))


def _summary(own: Tally | None) -> str:
    """Return the result of a session in words."""
    if own is None:
        return "You stopped before the first trial that counts, so no votes were saved."
    interval = own.interval()
    precision = own.too_few()
    if interval is not None:
        precision = f"95\u00a0% interval: {_percent(interval[0])} to {_percent(interval[1])}"
    rate = f"in {own.wins} of {own.votes} trials: {_percent(own.rate)} ({precision})."
    if own.opponent:
        return f"You preferred {own.model} to {own.opponent} {rate} At 50\u00a0% neither is better."
    return (
        f"You took the translated image for the real one {rate} 50\u00a0% means that you could not tell them apart, "
        "0\u00a0% that you always could."
    )


@dataclass(frozen=True)
class _TallyRow:
    """A row of the template tally_bars. Rate, low and high are percentages; without an interval, the ends are None."""

    model: str
    test: str
    outcome: str
    count: str
    rate: float
    low: float | None
    high: float | None


def _tally_row(tally: Tally, label: LabelFn) -> _TallyRow:
    low, high = tally.interval() or (None, None)
    voters = "1 person" if tally.voters == 1 else f"{tally.voters} people"
    return _TallyRow(
        model=tally.model,
        test=f"{label(tally)}, {tally.exposure_text}",
        outcome=f"preferred to {tally.opponent}" if tally.opponent else "taken for real",
        count=f"{tally.wins} of {tally.votes} votes, {voters}",
        rate=100 * tally.rate,
        low=None if low is None else 100 * low,
        high=None if high is None else 100 * high,
    )


def _tally_context(tallies: Sequence[Tally], label: LabelFn) -> dict[str, Any]:
    """Return the variables of the template tally_bars."""
    return {
        "rows": [_tally_row(tally, label) for tally in tallies],
        "few_votes": any(tally.votes < MIN_VOTES for tally in tallies),
        "min_votes": MIN_VOTES,
    }


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.0f}\u00a0%"
