"""The tab "Judge": the blind test, for anyone."""

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import gradio as gr

from i2i.demo.blind_test import html
from i2i.demo.blind_test.pairs import Exhibit, Showing, exhibits, find
from i2i.demo.blind_test.sessions import LONGEST, SHORTEST, Ballot, Question, Verdict
from i2i.demo.labels import SILENT, told, way
from i2i.demo.model_registry import Models
from i2i.evaluation.votes import SIDES, Tally, read_votes, votes_csv, votes_file

REAL, MODELS = "Real against translated", "Model against model"
INTRO = """### Can you tell?
Two pictures appear side by side for a moment, and are gone. One is real, the other was made by a model.
Say which one is real: with the keys **←** and **→** (or **F** and **J**), or by a tap."""
METHOD = """This is the test that papers do with paid workers ("real vs fake": Isola et al. 2017, section 3.2; Zhu et
al. 2017). In each trial a real picture and a translated one are shown for a set time, by default one second, and then
you have all the time you like to answer. The first trials are for practice: you are told whether you were right, and
they are not counted. After that you are told nothing until the end.

- **The pictures** come from the part of a model's data set that no training saw. Where the data come in pairs, the
  real picture is the truth of the very input that was translated; else it is any real picture of the same kind.
- **Blind.** The server draws the side by chance and keeps it to itself. Both pictures are brought to one size and
  sent as one file, so that no name, length or loading time gives them away. Each trial takes one vote.
- **The fooling rate** is the share of trials in which the translated picture was taken for the real one. Who cannot
  tell is near 50 %: no model gets beyond that but by luck. The interval beside it (Wilson, 95 %) is what the number
  of votes allows one to say.
- **Model against model.** Both get the same input, and you say which result looks more like a real picture. Nobody
  knows the right answer, so there is no practice.

What it cannot tell: votes are of whoever came by, who may know the models, vote several times over or tire; the
interval knows of chance alone, and takes votes of one person for those of many. A short look finds out less than a
long one, so rates at different times are never added up. And a picture can look real and be a bad translation of
its input: that is not asked. Each vote is kept with the time, a number for the session, the picture and the answer;
nothing about you."""


class Judge:
    """What the tab's buttons do. Which trial is whose is kept in gradio's state, on the server."""

    def __init__(self, models: Models) -> None:
        self.models, self.ballot = models, Ballot(votes_file())

    def offered(self) -> tuple[list[Exhibit], list[str]]:
        return exhibits({name: found.header for name, found in self.models.found().items()})

    def refresh(self) -> tuple[Any, ...]:
        """The models to choose from, whether a test can begin, and why others are not offered."""
        found, reasons = self.offered()
        titles = [exhibit.title for exhibit in found]
        return (
            gr.update(choices=self._choices(found), value=next(iter(titles), None)),
            gr.update(interactive=bool(titles)),
            _missing(reasons, titles),
        )

    def rivals(self, what: str, chosen: str | None) -> Any:
        """Which models can be held against the chosen one."""
        found, _ = self.offered()
        others = find(found, chosen).rivals(found) if chosen else []
        says = None if others else "No other model here does the same with the same pictures."
        first = others[0].title if others else None
        return gr.update(visible=what == MODELS, choices=self._choices(others), value=first, info=says)

    def _choices(self, found: Sequence[Exhibit]) -> list[tuple[str, str]]:
        models = self.models.found()
        return [(f"{each.model}: {way(models[each.model], each.direction)}", each.title) for each in found]

    def begin(
        self, what: str, model: str, rival: str, seconds: float, limitless: bool, trials: float, practice: float
    ) -> tuple[Any, ...]:
        """Open a session, and deal its first trial."""
        found, _ = self.offered()
        exhibit = find(found, model)
        other = find(exhibit.rivals(found), rival) if what == MODELS else None
        asked = Question(
            model=exhibit.model,
            other=other.model if other else "",
            direction=exhibit.direction,
            exposure=None if limitless else float(seconds),
            practice=int(practice),
            trials=int(trials),
        )
        secret = self.ballot.begin(asked, Showing(exhibit, other, self.models.translate))
        return secret, gr.update(visible=False), gr.update(visible=True, value=self._next(secret))

    def answer(self, secret: str, event: gr.EventData) -> tuple[Any, ...]:
        """Take an answer, and deal the next trial or end the session."""
        given = event._data if isinstance(event._data, dict) else {}
        verdict = self.ballot.answer(secret, str(given.get("key")), str(given.get("side")), given.get("seconds"))
        if verdict is None:
            return gr.skip(), gr.skip(), gr.skip()
        shown = self._next(secret, verdict)
        return (gr.update(value=shown), gr.skip(), gr.skip()) if shown else self.finish(secret)

    def _next(self, secret: str, verdict: Verdict | None = None) -> str:
        dealt = self.ballot.deal(secret)
        return html.trial(dealt, self.ballot.question(secret), verdict) if dealt is not None else ""

    def finish(self, secret: str) -> tuple[Any, ...]:
        """End a session: what it found, beside what everybody found."""
        asked, mine = self.ballot.question(secret), self.ballot.tally(secret)
        found = html.outcome(mine, read_votes(None, [asked.model]), self._way)
        return gr.update(visible=False, value=""), gr.update(visible=True), found

    def _way(self, tally: Tally) -> str:
        model = self.models.found().get(tally.model)
        return way(model, tally.direction) if model is not None else SIDES.get(tally.direction, tally.direction)

    def votes(self) -> tuple[Any, Any]:
        """All votes on models that are still here, and the file of all there are."""
        path, file = votes_file(), self.models.desk.place("votes.csv")
        file.write_text(votes_csv(path), encoding="utf-8", newline="")
        found = html.scores(read_votes(None, self.models.names()), self._way)
        return found, gr.update(visible=path.is_file(), value=str(file))


def tab(models: Models) -> None:
    """Build it, inside the page's tab."""
    judge, ticket = Judge(models), gr.State("")
    with gr.Column() as setup:
        settings = _settings()
        start = gr.Button("Begin", variant="primary", elem_id="judge-begin")
        missing = gr.Markdown(visible=False)
    play = gr.HTML("", visible=False, js_on_load=_file("blind_test.js"), css_template=_file("blind_test.css"))
    with gr.Column(visible=False) as end:
        result = gr.HTML("", css_template=_file("blind_test.css"))
        again = gr.Button("Another test", variant="primary")
    with gr.Accordion("How it works, and what it cannot tell", open=False):
        gr.Markdown(METHOD)
    with gr.Accordion("Votes so far", open=False) as votes:
        standing = gr.HTML("", css_template=_file("blind_test.css"))
        table = gr.DownloadButton("All votes as CSV", size="sm", visible=False)

    what, model, rival, seconds, limitless = settings[:5]
    # A vote by HTTP would be no vote of a person: none of this is part of the API.
    queued: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "concurrency_limit": 8}
    gr.on(None, told(judge.refresh), None, [model, start, missing], **SILENT)
    gr.on([what.change, model.change], told(judge.rivals), [what, model], rival, trigger_mode="always_last", **SILENT)
    limitless.change(lambda free: gr.update(interactive=not free), limitless, seconds, **SILENT)
    waits = start.click(lambda: gr.update(value="One moment …", interactive=False), None, start, **SILENT)
    begun = waits.then(told(judge.begin), settings, [ticket, setup, play], **queued)
    begun.then(lambda: gr.update(value="Begin", interactive=True), None, start, **SILENT)
    play.submit(told(judge.answer), ticket, [play, end, result], trigger_mode="once", **queued)
    play.stop(told(judge.finish), ticket, [play, end, result], **SILENT)
    again.click(lambda: (gr.update(visible=True), gr.update(visible=False)), None, [setup, end], **SILENT)
    votes.expand(told(judge.votes), None, [standing, table], **SILENT)


def _settings() -> list[Any]:
    """What is asked before a test, in the order in which ``Judge.begin`` takes it."""
    gr.Markdown(INTRO)
    with gr.Group():
        what = gr.Radio([REAL, MODELS], value=REAL, label="What is compared")
        with gr.Row():
            model = gr.Dropdown([], label="Model", min_width=260, elem_id="judge-model")
            rival = gr.Dropdown([], label="Against", min_width=260, visible=False, elem_id="judge-rival")
        with gr.Row():
            seconds = gr.Slider(SHORTEST, LONGEST, 1.0, step=0.5, label="Seconds on show", min_width=220, buttons=[])
            trials = gr.Slider(10, 100, 40, step=5, label="Trials that count", min_width=220, buttons=[])
            practice = gr.Slider(0, 10, 10, step=1, label="Practice before", min_width=220, buttons=[])
        limitless = gr.Checkbox(False, label="No limit: the pictures stay until you answer")
    return [what, model, rival, seconds, limitless, trials, practice]


def _missing(reasons: Sequence[str], offered: Sequence[str]) -> Any:
    head = "Not offered" if offered else "No model here can be judged"
    lines = "\n".join(f"- {reason}" for reason in reasons)
    text = f"{head}:\n{lines}" if reasons else f"{head} yet: there is none that translates pictures."
    return gr.update(visible=bool(reasons) or not offered, value=text)


def _file(name: str) -> str:
    return files("i2i.demo").joinpath("static", name).read_text(encoding="utf-8")
