"""The tab "Theatre": a training watched, while it runs and after."""

import base64
from collections.abc import Iterator
from html import escape
from importlib.resources import files
from typing import Any

import gradio as gr
from PIL import Image

from i2i.demo import run_history
from i2i.demo.components import photo_box
from i2i.demo.labels import PHOTOS, SILENT, told, ways
from i2i.demo.model_registry import Model, Models
from i2i.demo.run_history import Frame
from i2i.errors import UsageError
from i2i.images import encode
from i2i.inference.restoration import some_strength

LOOK = 384  # pixels of the longer side of a photo that checkpoints are tried on
FOLLOW, PLAY = 5.0, 0.7  # seconds between two looks at a run, and between two pictures
INTRO = """### Watch a translator learn
A training draws the same few pictures every time, so that its steps can be laid side by side. Choose a run, and move
through it."""
NONE = """Nothing to show yet: a training leaves its samples and its log in its folder under `checkpoints/`. Models that
were shipped came without them."""
PHOTO = """### Choose a checkpoint
The last step is seldom the best one. Put one photo of yours through all that a run has kept."""


class Theatre:
    """What the tab's parts do. A run is named by what ``Models`` finds, never by a path."""

    def __init__(self, models: Models) -> None:
        self.models = models

    def runs(self) -> list[str]:
        """Names of the models whose training left something to see."""
        found = self.models.found().items()
        return [name for name, model in found if "/" not in name and _leaves(model)]

    def model(self, name: str | None) -> Model:
        """The model of a run. Raises UsageError where there is none of that name."""
        if not name or "/" in name:
            raise UsageError("Choose a run from the list.")
        return self.models.model(name)

    def frames(self, name: str | None) -> list[Frame]:
        return run_history.frames(self.model(name).run)

    def refresh(self) -> tuple[Any, Any]:
        """The runs to choose from; and whether there are any."""
        names = self.runs()
        return gr.update(choices=names, value=next(iter(names), None)), gr.update(visible=not names)

    def open(self, name: str | None) -> tuple[Any, ...]:
        """A run from its newest samples on: slider, samples, how far it is, curves, directions, what can be tried."""
        if not name:
            return tuple(gr.skip() for _ in range(8))
        model, found = self.model(name), self.frames(name)
        choices = ways(model)
        kept = run_history.choice(run_history.checkpoints(name, model.run))
        at = found[-1].step if found else None
        return (self._slider(found, at), self.show(name, at), self._state(model), self._charts(model, at),
                gr.update(choices=choices, value=choices[0][1], visible=len(choices) > 1), kept, "",
                self._seen(name))  # fmt: skip

    def show(self, name: str | None, step: float | None) -> str:
        """The samples nearest to a step."""
        found = self.frames(name)
        if not found or step is None:
            return '<p class="calm">This run has drawn no samples yet.</p>'
        return run_history.picture(run_history.nearest(found, step), str(name))

    def curves(self, name: str | None, step: float) -> str:
        """The curves with a step marked."""
        return self._charts(self.model(name), step)

    def go(self, name: str | None, step: float, by: int) -> float:
        """The step of the samples before or after those that are shown."""
        found = self.frames(name)
        return run_history.neighbour(found, step, by) if found else step

    def follow(self, name: str | None, step: float, seen: Any) -> tuple[Any, ...]:
        """What is new in a run since it was ``seen``: as ``open``, at its newest samples where those were shown."""
        if not name or (now := self._seen(name)) == seen:
            return tuple(gr.skip() for _ in range(5))
        model, found = self.model(name), self.frames(name)
        newest = bool(found) and step >= (seen[0] or 0)
        at = found[-1].step if newest else step
        slider = self._slider(found, at) if newest else gr.update(maximum=run_history.ruler(found)[0] if found else 1)
        return slider, self.show(name, at) if newest else gr.skip(), self._state(model), self._charts(model, at), now

    def tick(self, name: str | None, step: float) -> tuple[Any, Any, Any]:
        """The next picture of a run that is played; after the last one it stands still."""
        on = self.go(name, step, 1)
        going = on < self.go(name, step, 10**9)
        return on, gr.Timer(active=going), gr.skip() if going else "Play"

    def play(self, name: str | None, step: float, label: str) -> tuple[Any, Any, Any]:
        """Start or stop playing; from the beginning, where it is at its end."""
        if label != "Play":
            return gr.skip(), gr.Timer(active=False), "Play"
        at_end = self.go(name, step, 0) == self.go(name, step, 10**9)
        first = self.go(name, step, -(10**9))
        return first if at_end else gr.skip(), gr.Timer(active=True), "Pause"

    def try_all(self, name: str | None, direction: str, upload: Any) -> Iterator[str]:
        """A photo through the checkpoints of a run, one after the other as they are done, as HTML."""
        model = self.model(name)
        photo = self.models.desk.photo(upload).image
        photo.thumbnail((LOOK, LOOK), Image.Resampling.LANCZOS)
        strength = some_strength(model.header)
        chosen = run_history.some(run_history.checkpoints(str(name), model.run))
        cells = [_cell(photo, "Your photo", "")]
        for checkpoint in chosen:
            yield _tried(cells, f"Trying {run_history.steps(checkpoint.step)} …")
            made = self.models.translate(checkpoint.name, direction, photo, strength)
            cells.append(_cell(made, checkpoint.title(), checkpoint.name))
        yield _tried(cells, "Use one by its name: <code>i2i convert NAME photos/</code>")

    def _slider(self, found: list[Frame], at: float | None) -> Any:
        if len(found) < 2:
            return gr.update(interactive=False, maximum=1, value=0)
        end, step = run_history.ruler(found)
        return gr.update(interactive=True, minimum=0, maximum=end, step=step, value=min(end, at or 0))

    def _state(self, model: Model) -> str:
        return run_history.state(model.run, model.header).text()

    def _charts(self, model: Model, at: float | None) -> str:
        best = next((c.header for c in self._best(model)), {}).get("best")
        return run_history.charts(model.run, best, at)

    def _best(self, model: Model) -> list[Model]:
        found = self.models.found().get(f"{model.name}/best")
        return [found] if found is not None else []

    def _seen(self, name: str) -> tuple[int, int, int]:
        """What changes when a run has something new: its newest samples come first."""
        run, found = self.model(name).run, self.frames(name)
        log = run / "log.jsonl"
        return found[-1].step if found else 0, len(found), log.stat().st_size if log.is_file() else 0


def _leaves(model: Model) -> bool:
    return bool(run_history.frames(model.run)) or (model.run / "log.jsonl").is_file()


def _cell(picture: Image.Image, title: str, name: str) -> str:
    data = base64.b64encode(encode(picture.convert("RGB"), ".png", fast=True)).decode()
    code = f"<code>{escape(name)}</code>" if name else ""
    return (
        f'<figure><img alt="{escape(title)}" src="data:image/png;base64,{data}"><figcaption><b>{escape(title)}</b>'
        f"{code}</figcaption></figure>"
    )


def _tried(cells: list[str], says: str) -> str:
    return f'<div class="tried">{"".join(cells)}</div><p class="note">{says}</p>'


def tab(models: Models) -> None:
    """Build it, inside the page's tab."""
    theatre, style = Theatre(models), _style()
    gr.Markdown(INTRO)
    nothing = gr.Markdown(NONE, visible=False)
    with gr.Row(equal_height=True):
        run = gr.Dropdown([], label="Run", min_width=260, elem_id="theatre-run")
        with gr.Column(min_width=260):
            state = gr.Markdown("", elem_id="theatre-state")
    frame = gr.HTML("", css_template=style)
    step = gr.Slider(0, 1, 0, step=1, label="Step", interactive=False, buttons=[])
    # Where the slider stands, without bounds: gradio refuses what is beyond its end, such as a place in a longer run.
    place = gr.Number(0, visible="hidden")
    with gr.Row():
        before, player, after = (
            gr.Button("Earlier", min_width=80),
            gr.Button("Play", min_width=80),
            gr.Button("Later", min_width=80),
        )
    curves = gr.HTML("", css_template=style)
    direction, kept, tried = _checkpoints(theatre, run, style)
    seen, follower, playing = gr.State(None), gr.Timer(FOLLOW), gr.Timer(PLAY, active=False)

    gr.on(None, told(theatre.refresh), None, [run, nothing], **SILENT)
    run.change(told(theatre.open), run, [step, frame, state, curves, direction, kept, tried, seen], **SILENT)
    moved = step.change(None, step, place, js="(step) => step", trigger_mode="always_last", **SILENT)
    moved.then(told(theatre.show), [run, place], frame, trigger_mode="always_last", **SILENT)
    step.release(told(theatre.curves), [run, place], curves, trigger_mode="always_last", **SILENT)
    before.click(told(lambda name, at: theatre.go(name, at, -1)), [run, place], step, **SILENT)
    after.click(told(lambda name, at: theatre.go(name, at, 1)), [run, place], step, **SILENT)
    player.click(told(theatre.play), [run, place, player], [step, playing, player], **SILENT)
    playing.tick(told(theatre.tick), [run, place], [step, playing, player], **SILENT)
    follower.tick(told(theatre.follow), [run, place, seen], [step, frame, state, curves, seen], **SILENT)


def _checkpoints(theatre: Theatre, run: gr.Dropdown, style: str) -> tuple[gr.Radio, gr.Markdown, gr.HTML]:
    """The part below: a photo through the checkpoints of the run. Returns what opening a run fills."""
    gr.Markdown(PHOTO)
    kept = gr.Markdown("")
    with gr.Row():
        photo = photo_box("Your photo", height=280)
        with gr.Column():
            direction = gr.Radio([], label="Direction", visible=False)
            go = gr.Button("Try its checkpoints", variant="primary")
    tried = gr.HTML("", css_template=style)

    def try_all(name: str | None, side: str, upload: Any) -> Iterator[str]:
        found, one_more = theatre.try_all(name, side, upload), told(next)
        while shown := one_more(found, ""):
            yield shown

    go.click(try_all, [run, direction, photo], tried, api_visibility="private", show_progress="minimal", **PHOTOS)
    return direction, kept, tried


def _style() -> str:
    """The report's, in the page's colours."""
    own = files("i2i.demo").joinpath("static", "training.css").read_text(encoding="utf-8")
    return own + files("i2i.reports").joinpath("static", "style.css").read_text(encoding="utf-8")
