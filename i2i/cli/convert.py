"""`i2i convert`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from i2i.cli.console import print_json, say, shown, stderr

if TYPE_CHECKING:
    from i2i.convert import Existing, Job, Plan, Result
    from i2i.inference.translator import Translator

STOPPED = 130  # the exit code of a command that Ctrl-C ended
_SHOWN = 20  # files skipped that are named one by one


def convert(
    model: Annotated[str, typer.Argument(help="a run's name, a bundle's path, or identity")],
    source: Annotated[list[Path], typer.Argument(help="photos, folders of photos (all below them), and clips")],
    out: Annotated[Path, typer.Option("--out", "-o", help="folder for the results, made if missing; or a clip's name")],
    direction: Annotated[
        str | None, typer.Option(help=r"AtoB or BtoA \[default: the model's first]", show_default=False)
    ] = None,
    format: Annotated[
        Literal["png", "jpg", "webp", "avif", "tif"], typer.Option(help="file format of the results")
    ] = "png",
    quality: Annotated[int, typer.Option(min=1, max=100, help="of jpg, webp and avif")] = 95,
    pattern: Annotated[
        list[str] | None,
        typer.Option(
            help="only photos of such names in folders, as '*.jpg' or 'holiday/*'; may be repeated", show_default=False
        ),
    ] = None,
    frames: Annotated[Literal["first", "all"], typer.Option(help="of animations and files of several pages")] = "first",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="redo results that exist already")] = False,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="leave results that exist, also those of another source or model")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="say what would be done, and do nothing")] = False,
    metadata: Annotated[
        Literal["keep", "strip"], typer.Option(help="keep: how and by whom a photo was taken, never where")
    ] = "keep",
    provenance: Annotated[
        bool, typer.Option("--provenance/--no-provenance", help="results say in their metadata which model made them")
    ] = True,
    max_pixels: Annotated[
        str, typer.Option(help="largest picture that is read, such as 200MP", metavar="PIXELS")
    ] = "89MP",
    stabilize: Annotated[bool, typer.Option("--stabilize", help="clips: less flicker, more inertia")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps …")] = "auto",
    precision: Annotated[
        Literal["auto", "float32", "bfloat16"], typer.Option(help="auto: bfloat16 where the device is fast at it")
    ] = "auto",
    task_strength: Annotated[
        float | None,
        typer.Option(help="how strong the damage is (σ in grey levels, JPEG quality), for a model to be told it"),
    ] = None,
    mask: Annotated[
        Path | None,
        typer.Option(
            help="for a model that fills holes: a picture that is white where they are, or a folder with one for each "
            r"photo \[default: what is transparent]",
            show_default=False,
        ),
    ] = None,
    batch_size: Annotated[
        int, typer.Option(min=0, help="pictures of one size translated at once; 0: as many as the device likes best")
    ] = 0,
    compile: Annotated[
        bool, typer.Option("--compile", help="compile the network first; pays for thousands of pictures of one size")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="print what became of every file as JSON")] = False,
) -> None:
    """Translate photos, folders of photos and clips, of any size, with a trained model.

    Folders keep their tree. Run again, it goes on where it stopped, and redoes what has changed since, photo or model.
    A file that cannot be read is reported and skipped, and the exit code is then 1.

    [bold]Examples[/bold]

        i2i convert stripes-cyclegan datasets/stripes/testA --out striped/

        i2i convert horse2zebra-cyclegan zebra.jpg photos/ --out horses/ --direction BtoA --format jpg

        i2i convert horse2zebra-cyclegan clip.mp4 --out zebras.mp4 --stabilize
    """
    from i2i.convert import Result, convert_jobs, count_frames, plan
    from i2i.convert.options import chosen_existing, made_by, pixels_of, writer_of
    from i2i.convert.pipeline import threads
    from i2i.convert.plan import Plan, clip_jobs
    from i2i.images import Decoders

    existing, most = chosen_existing(overwrite, skip_existing), pixels_of(max_pixels)
    clips = clip_jobs(source, out)  # a wrong path is told before the model is loaded
    photos = [path for path in source if path not in [job.source for job in clips]]
    with Decoders(threads(), max_pixels=most) as reader:
        counted = partial(count_frames, reader=reader) if frames == "all" else None
        planned = plan(photos, out, format, patterns=pattern or (), count_frames=counted) if photos else Plan()
        if photos:
            reader.start()  # beside the loading of the model
        from i2i.device import keep_memory
        from i2i.inference.translator import load

        notice = partial(say, "[yellow]note[/yellow] {}")
        translator = load(
            model, direction, device=device, precision=precision, strength=task_strength, mask=mask, notice=notice
        )
        if compile:
            translator.compile()
        said = translator.provenance if provenance else None
        writer = writer_of(format, quality, metadata, said)
        makings = made_by(translator.provenance, writer, strength=task_strength, mask=mask)
        if dry_run:
            _tell_plan(planned, clips, out, makings, existing, json)
            return
        if translator.device.type == "cpu":
            keep_memory()
        result = Result()
        if photos:
            with _bar(f"{model} {translator.direction}", "pictures") as progress:
                result = convert_jobs(translator, planned, out, writer=writer, made_by=makings, existing=existing,
                                      batch=batch_size, reader=reader, progress=progress)  # fmt: skip
    if clips and not result.stopped:
        result += _convert_clips(translator, clips, existing, stabilize=stabilize, provenance=said, max_pixels=most)
    _tell(result, out, json)
    if result.stopped:
        raise typer.Exit(STOPPED)
    if result.failed:
        raise typer.Exit(1)


def _convert_clips(translator: "Translator", clips: list["Job"], existing: "Existing", **how: Any) -> "Result":
    from i2i.convert.video import ClipResult, convert_clips

    def tell(job: "Job", result: ClipResult) -> None:
        say("{}: {} frames; where the clip stands still they change by {} levels of 255 from frame to frame",
            shown(job.target), result.frames, f"{result.flicker:.1f}")  # fmt: skip

    with _bar(translator.direction, "frames") as progress:
        return convert_clips(translator, clips, existing=existing, tell=tell, progress=lambda done, total: progress(
            done, 0, total), **how)  # fmt: skip


def _tell(result: "Result", out: Path, json: bool) -> None:
    if json:
        print_json({**_listed(result), "seconds": round(result.seconds, 3)})
    if result.failed:
        _table(result.failed)
    up_to_date = sum(reason.endswith("is up to date") for _, _, reason in result.skipped)
    if up_to_date:
        say("{} up to date already", up_to_date)
    others = [(path, reason) for path, _, reason in result.skipped if not reason.endswith("is up to date")]
    for path, reason in others[:_SHOWN]:
        say("[yellow]skipped[/yellow] {}: {}", shown(path), shown(reason))
    if len(others) > _SHOWN:
        say("[yellow]skipped[/yellow] {} more", len(others) - _SHOWN)
    say("{} converted into {}", len(result.converted), shown(out))
    if result.failed:
        say("[red]{} failed[/red]", len(result.failed))
    if result.stopped:
        say("stopped: the same command goes on from here")


def _tell_plan(planned: "Plan", clips: list["Job"], out: Path, makings: str, existing: "Existing", json: bool) -> None:
    """What would be done: nothing is written, not even a manifest."""
    from i2i.convert import Result, left_to_do
    from i2i.convert.manifest import Manifest
    from i2i.convert.video import clips_to_do

    manifest, result = Manifest(out, makings), Result(failed=planned.failed)
    manifest.load()
    result.skipped = [(path, None, reason) for path, reason in planned.skipped]
    left = left_to_do(planned.jobs, manifest, existing, result) + clips_to_do(clips, existing, result)
    if json:
        wanted = [{"source": job.source, "output": job.target} for job in left]
        print_json({"planned": wanted, **_listed(result), "seconds": 0})
        return
    for job in left:
        typer.echo(f"{shown(job.source)} -> {shown(job.target)}")
    for path, _, reason in result.skipped:
        say("[yellow]skipped[/yellow] {}: {}", shown(path), shown(reason))
    if result.failed:
        _table(result.failed)
    say("{} to convert, {} skipped; nothing was done", len(left), len(result.skipped))


def _listed(result: "Result") -> dict[str, list[dict[str, object]]]:
    return {
        "converted": [{"source": source, "output": output} for source, output in result.converted],
        "failed": [{"source": source, "reason": reason} for source, reason in result.failed],
        "skipped": [
            {"source": source, "output": output, "reason": reason} for source, output, reason in result.skipped
        ],
    }


def _table(failed: list[tuple[Path, str]]) -> None:
    if not stderr.is_terminal:  # a pipe has no width that a table could keep to
        for path, reason in failed:
            say("[red]failed[/red] {}: {}", shown(path), shown(reason.removeprefix(str(path)).lstrip(": ")))
        return
    from rich.table import Table
    from rich.text import Text

    table = Table("failed", "reason", box=None, header_style="bold red", pad_edge=False, padding=(0, 2, 0, 0))
    for path, reason in failed:
        table.add_row(Text(shown(path)), Text(shown(reason.removeprefix(str(path)).lstrip(": "))))
    stderr.print(table)


@contextmanager
def _bar(title: str, things: str) -> Iterator[Callable[[int, int, int], None]]:
    """To be told the files done, failed and all: shows them with the speed and the time left, on a terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    state = (TextColumn("{task.fields[state]}"), TimeRemainingColumn(), TextColumn("left"))
    with Progress(*columns, *state, console=stderr, disable=not stderr.is_terminal) as bar:
        task = bar.add_task(title, total=None, state="")

        def progress(done: int, failed: int, total: int) -> None:
            bar.update(task, completed=done, total=total)
            told = [_rate(bar.tasks[task].speed or 0, things), f"[red]{failed} failed[/red]" if failed else ""]
            bar.update(task, state="  ".join(filter(None, told)))

        yield progress


def _rate(speed: float, things: str) -> str:
    """Such as 12.3 pictures/s, or 4.5 s/picture."""
    if not speed:
        return ""
    return f"{speed:.1f} {things}/s" if speed >= 1 else f"{1 / speed:.1f} s/{things[:-1]}"
