"""The report's page: results by direction, votes, training histories, and the protocols."""

from collections.abc import Sequence
from datetime import datetime
from importlib.resources import files
from typing import Any

from markupsafe import Markup
from PIL import Image

from i2i._version import __version__
from i2i.directions import describe_direction
from i2i.evaluation import METRICS, MetricSpec
from i2i.evaluation.channel_pictures import ChannelPicture
from i2i.evaluation.direction import DirectionResult
from i2i.evaluation.evaluate import Evaluation
from i2i.evaluation.gallery import Gallery, GalleryItem
from i2i.evaluation.models import EvaluatedModel
from i2i.evaluation.table import Row, ranked
from i2i.images.display import shown_channels
from i2i.metrics.bootstrap import Estimate
from i2i.reports import GENERATOR
from i2i.reports.charts import format_interval, interval_chart
from i2i.reports.embed import EmbeddedImage, embed_image
from i2i.reports.rendering import render
from i2i.reports.training_history import run_html

ARROWS = {"lower": "↓", "higher": "↑", "neither": ""}

Figure = tuple[EmbeddedImage, str]  # an image and its description


def render_page(evaluation: Evaluation) -> str:
    """Return the report as HTML."""
    style = files("i2i.reports").joinpath("static", "style.css").read_text(encoding="utf-8")
    used_metrics = {name for result in evaluation.directions for row in result.rows for name in row.values}
    return render(
        "page",
        generator=GENERATOR,
        version=__version__,
        style=Markup(style),
        date=datetime.now().astimezone().strftime("%d %B %Y, %H:%M").lstrip("0"),
        names=list(dict.fromkeys(model.name for model in evaluation.models)),
        data=evaluation.directions[0].protocol.data,
        directions=[_direction_context(result) for result in evaluation.directions],
        votes=[tally.describe() for tally in evaluation.votes],
        has_runs=any(model.run for model in evaluation.models),
        trainings=_trainings(evaluation.models),
        protocols=[_protocol_context(result) for result in evaluation.directions],
        metrics=[spec for spec in METRICS.values() if spec.name in used_metrics],
        notes=evaluation.notes,
        seconds=f"{evaluation.seconds:.0f}",
    )


def _direction_context(result: DirectionResult) -> dict[str, Any]:
    """Return the variables of ``direction.html.jinja``."""
    charts = [interval_chart(result.rows, METRICS[result.ranked_by])]
    second = next(
        (name for name in ("kid", "fid") if name != result.ranked_by and _is_measured(result.rows, name)), None
    )
    if second is not None:
        charts.append(interval_chart(result.rows, METRICS[second]))
    specs = [spec for spec in METRICS.values() if _is_measured(result.rows, spec.name)]
    return {
        "anchor": result.direction,
        "title": describe_direction(result.direction),
        "num_outputs": result.protocol.inputs,
        "num_real": result.protocol.real,
        "comparisons": result.comparisons,
        "charts": charts,
        "has_intervals": any(estimate.interval for row in result.rows for estimate in row.values.values()),
        "specs": specs,
        "arrows": ARROWS,
        "rows": [
            {"kind": row.kind, "title": row.title, "cells": [_cell(spec, row.values.get(spec.name)) for spec in specs]}
            for row in result.rows
        ],
        "gallery": _gallery_context(result),
        "per_image_tables": _per_image_tables(result),
    }


def _is_measured(rows: Sequence[Row], metric: str) -> bool:
    return any(metric in row.values for row in rows)


def _cell(spec: MetricSpec, estimate: Estimate | None) -> tuple[str, str] | None:
    """Return the value and the interval as text, or None for a metric that was not measured."""
    if estimate is None:
        return None
    return spec.format(estimate.value), format_interval(spec, estimate)


def _gallery_context(result: DirectionResult) -> dict[str, Any] | None:
    gallery = result.gallery
    if gallery is None:
        return None
    titles = [row.title for row in ranked(result.rows, result.ranked_by)]
    first = gallery.random[0]
    images_in_order = (("input", first.input), ("output", True), ("target", first.target))
    return {
        "seed": gallery.seed,
        "num_columns": len(gallery.random),
        "legend": _legend(gallery),
        "random": _random_grid(gallery.random, titles),
        "score": gallery.score_description,
        "order": ", ".join(name for name, image in images_in_order if image),
        "models": [_extremes(gallery, title) for title in titles],
    }


def _random_grid(items: Sequence[GalleryItem], titles: Sequence[str]) -> list[tuple[str, list[Figure]]]:
    """Return rows of images with their headings: the inputs, the outputs of each model, and the targets."""
    rows: list[tuple[str, list[Image.Image | None]]] = [("input", [item.input for item in items])]
    rows += [(title, [item.outputs[title] for item in items]) for title in titles]
    rows += [("target", [item.target for item in items])]
    grid = []
    for name, images in rows:
        heading = _with_colours(name, images)
        figures = [
            (embed_image(image), f"{item.name}, {heading}")
            for item, image in zip(items, images, strict=True)
            if image is not None
        ]
        if figures:
            grid.append((heading, figures))
    return grid


def _with_colours(heading: str, images: Sequence[Image.Image | None]) -> str:
    """Return a heading that says how images of other channels than RGB are shown."""
    picture = next((image for image in images if isinstance(image, ChannelPicture)), None)
    if picture is None:
        return heading
    format = picture.pixel_format
    if format.labels is not None:
        return f"{heading} (in the colours of the classes)"
    note = "grey" if format.channels == 1 else shown_channels(format)[1]
    return f"{heading} ({note})" if note else heading


def _legend(gallery: Gallery) -> list[tuple[str, str]]:
    """Return the ids of the classes with their colours, if the inputs are label maps."""
    picture = gallery.random[0].input
    labels = picture.pixel_format.labels if isinstance(picture, ChannelPicture) else None
    return [] if labels is None else labels.legend()


def _extremes(gallery: Gallery, title: str) -> dict[str, Any]:
    """Return the cards of the best and the worst outputs of a model."""
    return {
        "title": title,
        "groups": [
            ("Best", [_card(item, title) for item in gallery.best.get(title, [])]),
            ("Worst", [_card(item, title) for item in gallery.worst.get(title, [])]),
        ],
    }


def _card(item: GalleryItem, title: str) -> dict[str, Any]:
    images = [("input", item.input), ("output", item.outputs[title]), ("target", item.target)]
    figures = [(embed_image(image), f"{item.name}, {name}") for name, image in images if image is not None]
    return {"figures": figures, "name": item.name, "score": item.score}


def _per_image_tables(result: DirectionResult) -> list[dict[str, Any]]:
    """Return for each model a table of the metrics of every image; none for unpaired data."""
    tables = []
    for row in ranked(result.rows, result.ranked_by):
        values = row.measurements.per_image if row.measurements is not None else {}
        specs = [spec for spec in METRICS.values() if spec.name in values]
        if "psnr" not in values:
            continue
        lines = [
            (name, [spec.format(float(values[spec.name][index])) for spec in specs])
            for index, name in enumerate(result.image_names)
        ]
        tables.append({"title": row.title, "heads": [spec.title for spec in specs], "lines": lines})
    return tables


def _trainings(models: Sequence[EvaluatedModel]) -> list[Markup]:
    """Return the training history of each run that has a log."""
    names = {model.run: model.name for model in models if model.run is not None}
    trainings = []
    for run, name in names.items():
        bests = (model.info.best for model in models if model.run == run and model.info is not None)
        best = next((best for best in bests if best), None)
        trainings.append(run_html(name, run, best))
    return [training for training in trainings if training]


def _protocol_context(result: DirectionResult) -> dict[str, Any]:
    fields = {**result.protocol.to_json(), "ranked by": METRICS[result.ranked_by].title}
    return {
        "title": describe_direction(result.direction),
        "fingerprint": result.protocol.fingerprint(),
        "fields": [(name.replace("_", " "), str(value)) for name, value in fields.items()],
    }
