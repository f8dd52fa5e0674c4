"""The tab "Training": the samples, curves and checkpoints of a training, while it runs and afterwards."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import gradio as gr
from PIL import Image

from i2i.demo import run_history
from i2i.demo.channels import describe_colours, read_upload
from i2i.demo.components import channel_file_input, photo_input
from i2i.demo.handlers import PHOTO_QUEUE, UNQUEUED, user_errors
from i2i.demo.labels import direction_choices
from i2i.demo.model_registry import ModelRegistry, RegisteredModel
from i2i.demo.rendering import png_data_url, render
from i2i.demo.run_history import SampleFrame
from i2i.demo.uploads import UploadStore
from i2i.errors import UsageError
from i2i.evaluation.channel_pictures import ChannelPicture
from i2i.images import encode
from i2i.images.downscale import downscaled_to_fit
from i2i.inference.restoration import default_strength

MAX_TRY_SIDE = 384  # pixels of the longer side of a photo that checkpoints are tried on
FOLLOW_INTERVAL = 5.0  # seconds between checks for new files of a run
PLAY_INTERVAL = 0.7  # seconds between sample grids
ALL_FRAMES = 10**9  # an offset beyond the first and the last frame
INTRO = """### Watch a training
A training translates the same few images at intervals. Choose a run and move through its samples."""
NO_RUNS = """There is nothing to show yet. A training writes its samples and its log to its folder under `checkpoints/`.
The shipped models come without them."""
NO_SAMPLES = '<p class="calm">This run has no samples yet.</p>'
CHOOSE_CHECKPOINT = """### Choose a checkpoint
The last checkpoint is not always the best one. Translate a photo with all checkpoints that a run kept."""


@dataclass(frozen=True)
class CheckpointResult:
    """An image in the comparison of checkpoints.

    Attributes:
        title: the caption.
        name: the name of the checkpoint; "" for the input.
        image: a data: URL.
    """

    title: str
    name: str
    image: str


class TrainingTab:
    """The handlers of the tab. Runs are looked up in the registry by name, never by path."""

    def __init__(self, registry: ModelRegistry, store: UploadStore) -> None:
        self.registry = registry
        self.store = store

    def runs(self) -> list[str]:
        """Return the names of the models whose training left samples or a log."""
        models = self.registry.models().items()
        return [name for name, model in models if "/" not in name and _has_history(model)]

    def model(self, name: str | None) -> RegisteredModel:
        """Return the model of a run. Raise UsageError if there is none with this name."""
        if not name or "/" in name:
            raise UsageError("Choose a run from the list.")
        return self.registry.model(name)

    def frames(self, name: str | None) -> list[SampleFrame]:
        """Return the sample grids of a run."""
        return run_history.sample_frames(self.model(name).run_folder)

    def refresh(self) -> tuple[Any, Any]:
        """Update the list of runs, and show ``NO_RUNS`` if it is empty."""
        names = self.runs()
        return gr.update(choices=names, value=next(iter(names), None)), gr.update(visible=not names)

    def open(self, name: str | None) -> tuple[Any, ...]:
        """Show a run at its newest samples.

        Returns: updates of slider, samples, state, curves, direction, checkpoint summary, results and revision.
        """
        if not name:
            return tuple(gr.skip() for _ in range(8))
        model = self.model(name)
        frames = self.frames(name)
        choices = direction_choices(model)
        step = frames[-1].step if frames else None
        return (
            self._slider(frames, step),
            self.show(name, step),
            self._state(model),
            self._charts(model, step),
            gr.update(choices=choices, value=choices[0][1], visible=len(choices) > 1),
            run_history.checkpoint_summary(run_history.checkpoints(name, model.run_folder)),
            "",
            self._revision(name),
        )

    def show(self, name: str | None, step: float | None) -> str:
        """Return the samples nearest to a step as HTML."""
        frames = self.frames(name)
        if not frames or step is None:
            return NO_SAMPLES
        return run_history.frame_html(run_history.nearest_frame(frames, step), str(name))

    def curves(self, name: str | None, step: float) -> str:
        """Return the curves with a marked step as HTML."""
        return self._charts(self.model(name), step)

    def move(self, name: str | None, step: float, offset: int) -> float:
        """Return the step of the samples ``offset`` frames after the current ones."""
        frames = self.frames(name)
        return run_history.neighbour_step(frames, step, offset) if frames else step

    def previous(self, name: str | None, step: float) -> float:
        """Return the step of the previous samples."""
        return self.move(name, step, -1)

    def next(self, name: str | None, step: float) -> float:
        """Return the step of the next samples."""
        return self.move(name, step, 1)

    def follow(self, name: str | None, step: float, known_revision: Any) -> tuple[Any, ...]:
        """Update a run that has changed since ``known_revision``. Move to the newest samples if the last were shown.

        Returns: updates of slider, samples, state, curves and revision.
        """
        if not name or (revision := self._revision(name)) == known_revision:
            return tuple(gr.skip() for _ in range(5))
        model = self.model(name)
        frames = self.frames(name)
        last_was_shown = bool(frames) and step >= (known_revision[0] or 0)
        if last_was_shown:
            step = frames[-1].step
            slider = self._slider(frames, step)
            samples: Any = self.show(name, step)
        else:
            slider = gr.update(maximum=run_history.slider_range(frames)[0] if frames else 1)
            samples = gr.skip()
        return slider, samples, self._state(model), self._charts(model, step), revision

    def tick(self, name: str | None, step: float) -> tuple[Any, Any, Any]:
        """Advance to the next samples while playing, and stop at the last.

        Returns: updates of step, timer and button.
        """
        next_step = self.move(name, step, 1)
        playing = next_step < self.move(name, step, ALL_FRAMES)
        return next_step, gr.Timer(active=playing), gr.skip() if playing else "Play"

    def play(self, name: str | None, step: float, label: str) -> tuple[Any, Any, Any]:
        """Start or pause playing; start again from the first samples after the last.

        Returns: updates of step, timer and button.
        """
        if label != "Play":
            return gr.skip(), gr.Timer(active=False), "Play"
        at_end = self.move(name, step, 0) == self.move(name, step, ALL_FRAMES)
        first = self.move(name, step, -ALL_FRAMES)
        return first if at_end else gr.skip(), gr.Timer(active=True), "Pause"

    def try_all(self, name: str | None, direction: str, upload: Any, file: Any = None) -> Iterator[str]:
        """Translate a photo with the checkpoints of a run, and yield the HTML of the results after each.

        Args:
            name: of the run.
            direction: "AtoB" or "BtoA".
            upload: the photo.
            file: the uploaded file for a model of other channels, or of label maps.
        """
        model = self.model(name)
        title = "Your photo"
        if model.info.takes_pictures:
            photo = self.store.read(upload).image
            photo.thumbnail((MAX_TRY_SIDE, MAX_TRY_SIDE), Image.Resampling.LANCZOS)
        else:
            uploaded = read_upload(self.store, file, model, direction)
            size = downscaled_to_fit(uploaded.image.size, MAX_TRY_SIDE)
            title = f"Your file, {describe_colours(uploaded.format)}"
            photo = ChannelPicture(uploaded.image.resize(size, Image.Resampling.LANCZOS), uploaded.picture_format)
        strength = default_strength(model.info)
        checkpoints = run_history.checkpoints(str(name), model.run_folder)
        results = [_result(photo, title, "")]
        for checkpoint in run_history.select_evenly(checkpoints):
            yield _results_html(results, running=run_history.format_steps(checkpoint.step))
            output = self.registry.translate(checkpoint.name, direction, photo, strength)
            results.append(_result(output, checkpoint.title(), checkpoint.name))
        yield _results_html(results)

    def _slider(self, frames: list[SampleFrame], step: float | None) -> Any:
        """Return the update of the slider for the frames of a run."""
        if len(frames) < 2:
            return gr.update(interactive=False, maximum=1, value=0)
        end, increment = run_history.slider_range(frames)
        return gr.update(interactive=True, minimum=0, maximum=end, step=increment, value=min(end, step or 0))

    def _state(self, model: RegisteredModel) -> str:
        return run_history.training_state(model.run_folder, model.info).text()

    def _charts(self, model: RegisteredModel, step: float | None) -> str:
        best = self.registry.models().get(f"{model.name}/best")
        return run_history.charts_html(model.run_folder, best.info.best if best else None, step)

    def _revision(self, name: str) -> tuple[int, int, int]:
        """Return a value that changes when a run writes samples or log rows: last step, number of grids, log size."""
        run_folder = self.model(name).run_folder
        frames = self.frames(name)
        log = run_folder / "log.jsonl"
        return frames[-1].step if frames else 0, len(frames), log.stat().st_size if log.is_file() else 0


def _has_history(model: RegisteredModel) -> bool:
    return bool(run_history.sample_frames(model.run_folder)) or (model.run_folder / "log.jsonl").is_file()


def _result(image: Image.Image, title: str, name: str) -> CheckpointResult:
    return CheckpointResult(title, name, png_data_url(encode(image.convert("RGB"), ".png", fast=True)))


def _results_html(results: list[CheckpointResult], running: str = "") -> str:
    return render("checkpoint_results", results=results, running=running)


def build_tab(registry: ModelRegistry, store: UploadStore) -> None:
    """Build the tab in the current Gradio context."""
    tab = TrainingTab(registry, store)
    style = _style()
    gr.Markdown(INTRO)
    no_runs = gr.Markdown(NO_RUNS, visible=False)
    with gr.Row(equal_height=True):
        run = gr.Dropdown([], label="Run", min_width=260, elem_id="training-run")
        with gr.Column(min_width=260):
            state = gr.Markdown("", elem_id="training-state")
    samples = gr.HTML("", css_template=style)
    slider = gr.Slider(0, 1, 0, step=1, label="Step", interactive=False, buttons=[])
    # The slider's value without bounds. Gradio rejects a value beyond the slider's end, such as one of a longer run.
    step = gr.Number(0, visible="hidden")
    with gr.Row():
        previous = gr.Button("Previous", min_width=80)
        play = gr.Button("Play", min_width=80)
        following = gr.Button("Next", min_width=80)
    curves = gr.HTML("", css_template=style)
    direction, summary, results = _build_checkpoint_section(tab, run, style)
    revision = gr.State(None)
    follow_timer = gr.Timer(FOLLOW_INTERVAL)
    play_timer = gr.Timer(PLAY_INTERVAL, active=False)

    opened = [slider, samples, state, curves, direction, summary, results, revision]
    gr.on(None, user_errors(tab.refresh), None, [run, no_runs], **UNQUEUED)
    run.change(user_errors(tab.open), run, opened, **UNQUEUED)
    moved = slider.change(None, slider, step, js="(step) => step", trigger_mode="always_last", **UNQUEUED)
    moved.then(user_errors(tab.show), [run, step], samples, trigger_mode="always_last", **UNQUEUED)
    slider.release(user_errors(tab.curves), [run, step], curves, trigger_mode="always_last", **UNQUEUED)
    previous.click(user_errors(tab.previous), [run, step], slider, **UNQUEUED)
    following.click(user_errors(tab.next), [run, step], slider, **UNQUEUED)
    play.click(user_errors(tab.play), [run, step, play], [slider, play_timer, play], **UNQUEUED)
    play_timer.tick(user_errors(tab.tick), [run, step], [slider, play_timer, play], **UNQUEUED)
    followed = [slider, samples, state, curves, revision]
    follow_timer.tick(user_errors(tab.follow), [run, step, revision], followed, **UNQUEUED)


def _build_checkpoint_section(tab: TrainingTab, run: gr.Dropdown, style: str) -> tuple[gr.Radio, gr.Markdown, gr.HTML]:
    """Build the comparison of checkpoints. Return direction, checkpoint summary and results, which ``open`` fills."""
    gr.Markdown(CHOOSE_CHECKPOINT)
    summary = gr.Markdown("")
    with gr.Row():
        photo = photo_input("Your photo", height=280)
        with gr.Column():
            with gr.Accordion("A file for a model of other channels, or of label maps", open=False):
                file = channel_file_input("Image", height=120, elem_id="training-file")
            direction = gr.Radio([], label="Direction", visible=False)
            start = gr.Button("Try the checkpoints", variant="primary", elem_id="training-try")
    results = gr.HTML("", css_template=style)

    def try_all(name: str | None, direction: str, upload: Any, file: Any) -> Iterator[str]:
        pages = tab.try_all(name, direction, upload, file)
        next_page = user_errors(next)
        while page := next_page(pages, ""):
            yield page

    options: dict[str, Any] = {"api_visibility": "private", "show_progress": "minimal", **PHOTO_QUEUE}
    start.click(try_all, [run, direction, photo, file], results, **options)
    return direction, summary, results


def _style() -> str:
    """Return the reports' stylesheet in the colours of the page."""
    own = files("i2i.demo").joinpath("static", "training.css").read_text(encoding="utf-8")
    return own + files("i2i.reports").joinpath("static", "style.css").read_text(encoding="utf-8")
