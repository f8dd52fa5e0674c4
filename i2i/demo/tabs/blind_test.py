"""The tab "Blind test": participants tell real images from translations, or compare two models."""

from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import gradio as gr

from i2i.demo.blind_test.html import result_html, tally_bars, trial_html
from i2i.demo.blind_test.pairs import Candidate, PairSampler, candidate_with_title, find_candidates
from i2i.demo.blind_test.sessions import MAX_EXPOSURE, MIN_EXPOSURE, Answer, SessionSettings, VotingSessions
from i2i.demo.handlers import UNQUEUED, user_errors
from i2i.demo.labels import direction_label
from i2i.demo.model_registry import ModelRegistry
from i2i.demo.uploads import UploadStore
from i2i.directions import describe_direction
from i2i.evaluation.votes import Tally, default_votes_file, read_votes, votes_csv

AGAINST_REAL = "Real against translated"
AGAINST_MODEL = "Model against model"
STATIC_FILES = files("i2i.demo").joinpath("static")
INTRO = """### Can you tell?
Two images appear side by side for a moment and disappear. One is real, the other was made by a model.
Choose the real one with the keys **←** and **→** (or **F** and **J**), or by a tap."""
EXPLANATION = """Papers do this test with paid workers ("real vs fake": Isola et al. 2017, section 3.2; Zhu et al.
2017). Each trial shows a real image and a translated one for a set time, by default one second. You then have as much
time as you like to answer. The first trials are for practice: you see whether you were right, and they do not count.
After that you see no results until the end.

- **Images.** The images come from the test set of the model's dataset, which no training used. In paired data the real
  image is the target of the translated input; otherwise it is a random real image of the same domain.
- **Blind.** The server draws the side at random and keeps it secret. Both images have one size and are sent as one
  file, so that no name, length or loading time gives them away. Each trial accepts one vote.
- **Fooling rate.** The share of trials in which the translated image was taken for the real one. It is near 50 % if
  participants cannot tell; higher rates are due to chance. The interval (Wilson, 95 %) shows how precise the rate is
  with this number of votes.
- **Model against model.** Both models translate the same input, and you choose the result that looks more like a real
  image. The right answer is unknown, so there is no practice.

Limits: participants are not selected. They may know the models, vote several times or get tired. The interval covers
chance alone and treats several votes of one person like votes of several people. A short exposure reveals less than a
long one, so rates at different exposures are never added up. An image can look real and still be a bad translation of
its input, which this test does not ask. Each vote is saved with the time, a session number, the image and the answer;
nothing about you is saved."""


class BlindTestTab:
    """The handlers of the tab. Gradio's state on the server keeps the secret of each participant's session."""

    def __init__(self, registry: ModelRegistry, store: UploadStore) -> None:
        self.registry = registry
        self.store = store
        self.sessions = VotingSessions(default_votes_file())

    def candidates(self) -> tuple[list[Candidate], list[str]]:
        """Return the candidates, and a reason for each model that cannot take part."""
        return find_candidates({name: model.info for name, model in self.registry.models().items()})

    def refresh(self) -> tuple[Any, ...]:
        """Return the updates of the model list, the start button and the reasons."""
        candidates, reasons = self.candidates()
        first = candidates[0].title if candidates else None
        return (
            gr.update(choices=self._choices(candidates), value=first),
            gr.update(interactive=bool(candidates)),
            _reasons_update(reasons, bool(candidates)),
        )

    def opponents(self, comparison: str, title: str | None) -> Any:
        """Return the update of the list of opponents of the selected model."""
        candidates, _ = self.candidates()
        opponents = candidate_with_title(candidates, title).opponents(candidates) if title else []
        return gr.update(
            visible=comparison == AGAINST_MODEL,
            choices=self._choices(opponents),
            value=opponents[0].title if opponents else None,
            info=None if opponents else "No other model translates the same images in the same way.",
        )

    def _choices(self, candidates: Sequence[Candidate]) -> list[tuple[str, str]]:
        models = self.registry.models()
        return [
            (f"{candidate.model}: {direction_label(models[candidate.model], candidate.direction)}", candidate.title)
            for candidate in candidates
        ]

    def start(
        self,
        comparison: str,
        title: str,
        opponent_title: str,
        exposure: float,
        unlimited: bool,
        trials: float,
        practice: float,
    ) -> tuple[Any, ...]:
        """Open a session and show its first trial.

        Returns: the session's secret, and updates of settings and trial.
        """
        candidates, _ = self.candidates()
        candidate = candidate_with_title(candidates, title)
        opponent = None
        if comparison == AGAINST_MODEL:
            opponent = candidate_with_title(candidate.opponents(candidates), opponent_title)
        settings = SessionSettings(
            model=candidate.model,
            opponent=opponent.model if opponent else "",
            direction=candidate.direction,
            exposure=None if unlimited else float(exposure),
            practice=int(practice),
            trials=int(trials),
        )
        secret = self.sessions.open(settings, PairSampler(candidate, opponent, self.registry.translate))
        return secret, gr.update(visible=False), gr.update(visible=True, value=self._next_trial(secret))

    def answer(self, secret: str, event: gr.EventData) -> tuple[Any, ...]:
        """Submit an answer, and show the next trial or the result.

        Returns: updates of trial, end and result.
        """
        data = event._data if isinstance(event._data, dict) else {}
        answer = self.sessions.submit(secret, str(data.get("key")), str(data.get("side")), data.get("seconds"))
        if answer is None:
            return gr.skip(), gr.skip(), gr.skip()
        trial = self._next_trial(secret, answer)
        return (gr.update(value=trial), gr.skip(), gr.skip()) if trial else self.finish(secret)

    def _next_trial(self, secret: str, answer: Answer | None = None) -> str:
        """Return the next trial as HTML, or "" after the last one."""
        trial = self.sessions.next_trial(secret)
        return trial_html(trial, self.sessions.settings(secret), answer) if trial is not None else ""

    def finish(self, secret: str) -> tuple[Any, ...]:
        """End a session and show its result beside that of all sessions.

        Returns: updates of trial, end and result.
        """
        settings = self.sessions.settings(secret)
        own = self.sessions.result(secret)
        result = result_html(own, read_votes(None, [settings.model]), self._direction_label)
        return gr.update(visible=False, value=""), gr.update(visible=True), result

    def _direction_label(self, tally: Tally) -> str:
        model = self.registry.models().get(tally.model)
        if model is None:
            return describe_direction(tally.direction)
        return direction_label(model, tally.direction)

    def votes(self) -> tuple[Any, Any]:
        """Return the tallies of the existing models as HTML, and the update of the download of all votes."""
        path = default_votes_file()
        csv_file = self.store.new_path("votes.csv")
        csv_file.write_text(votes_csv(path), encoding="utf-8", newline="")
        bars = tally_bars(read_votes(None, self.registry.names()), self._direction_label)
        return bars, gr.update(visible=path.is_file(), value=str(csv_file))


def build_tab(registry: ModelRegistry, store: UploadStore) -> None:
    """Build the tab in the current Gradio context."""
    tab = BlindTestTab(registry, store)
    style = STATIC_FILES.joinpath("blind_test.css").read_text(encoding="utf-8")
    script = STATIC_FILES.joinpath("blind_test.js").read_text(encoding="utf-8")
    secret = gr.State("")
    with gr.Column() as setup:
        settings = _build_settings()
        start = gr.Button("Start", variant="primary", elem_id="blind-test-start")
        reasons = gr.Markdown(visible=False)
    trial = gr.HTML("", visible=False, js_on_load=script, css_template=style)
    with gr.Column(visible=False) as end:
        result = gr.HTML("", css_template=style)
        again = gr.Button("Another test", variant="primary")
    with gr.Accordion("How it works, and its limits", open=False):
        gr.Markdown(EXPLANATION)
    with gr.Accordion("Votes so far", open=False) as votes:
        tallies = gr.HTML("", css_template=style)
        download = gr.DownloadButton("All votes as CSV", size="sm", visible=False)

    comparison, model, opponent, exposure, unlimited = settings[:5]
    # A vote through the HTTP API would not be a person's vote, so no handler is part of the API.
    queued: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "concurrency_limit": 8}
    gr.on(None, user_errors(tab.refresh), None, [model, start, reasons], **UNQUEUED)
    gr.on(
        [comparison.change, model.change], user_errors(tab.opponents), [comparison, model], opponent,
        trigger_mode="always_last", **UNQUEUED,
    )  # fmt: skip
    unlimited.change(lambda checked: gr.update(interactive=not checked), unlimited, exposure, **UNQUEUED)
    clicked = start.click(lambda: gr.update(value="One moment …", interactive=False), None, start, **UNQUEUED)
    started = clicked.then(user_errors(tab.start), settings, [secret, setup, trial], **queued)
    started.then(lambda: gr.update(value="Start", interactive=True), None, start, **UNQUEUED)
    trial.submit(user_errors(tab.answer), secret, [trial, end, result], trigger_mode="once", **queued)
    trial.stop(user_errors(tab.finish), secret, [trial, end, result], **UNQUEUED)
    again.click(lambda: (gr.update(visible=True), gr.update(visible=False)), None, [setup, end], **UNQUEUED)
    votes.expand(user_errors(tab.votes), None, [tallies, download], **UNQUEUED)


def _build_settings() -> list[Any]:
    """Build the inputs before a test, and return them in the order of the arguments of ``BlindTestTab.start``."""
    gr.Markdown(INTRO)
    with gr.Group():
        comparison = gr.Radio([AGAINST_REAL, AGAINST_MODEL], value=AGAINST_REAL, label="Comparison")
        with gr.Row():
            model = gr.Dropdown([], label="Model", min_width=260, elem_id="blind-test-model")
            opponent = gr.Dropdown([], label="Against", min_width=260, visible=False, elem_id="blind-test-opponent")
        with gr.Row():
            exposure = gr.Slider(
                MIN_EXPOSURE, MAX_EXPOSURE, 1.0, step=0.5, label="Exposure in seconds", min_width=220, buttons=[]
            )
            trials = gr.Slider(10, 100, 40, step=5, label="Trials that count", min_width=220, buttons=[])
            practice = gr.Slider(0, 10, 10, step=1, label="Practice trials", min_width=220, buttons=[])
        unlimited = gr.Checkbox(False, label="No limit: the images stay until you answer")
    return [comparison, model, opponent, exposure, unlimited, trials, practice]


def _reasons_update(reasons: Sequence[str], has_candidates: bool) -> Any:
    """Return the update of the list of models that cannot take part."""
    heading = "Not available" if has_candidates else "No model can take part"
    if reasons:
        text = "\n".join([f"{heading}:", *(f"- {reason}" for reason in reasons)])
    else:
        text = f"{heading} yet: there is no model that translates images."
    return gr.update(visible=bool(reasons) or not has_candidates, value=text)
