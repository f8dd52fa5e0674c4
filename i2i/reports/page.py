"""The page: numbers first, then pictures, then how it all came about."""

import math
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from html import escape
from importlib.resources import files

from PIL import Image

from i2i._version import __version__
from i2i.evaluation import COLUMNS, Evaluation, Section
from i2i.evaluation.gallery import Gallery, Shown
from i2i.evaluation.models import Model
from i2i.evaluation.table import Row, ranked
from i2i.evaluation.text_report import DIRECTIONS
from i2i.evaluation.votes import Tally
from i2i.metrics.bootstrap import Estimate
from i2i.reports.charts import intervals
from i2i.reports.embed import MADE_BY, embedded
from i2i.reports.training_history import training

ARROWS = {"less": "↓", "more": "↑", "neither": ""}


def page(found: Evaluation) -> str:
    """The whole page."""
    names = list(dict.fromkeys(model.name for model in found.models))
    data = found.sections[0].protocol.data
    title = f"{', '.join(names)} on {data}"
    style = files("i2i.reports").joinpath("static", "style.css").read_text(encoding="utf-8")
    body = [_head(found, names, data), *(_section(section) for section in found.sections), _people(found.votes),
            _trainings(found.models), _protocols(found)]  # fmt: skip
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n{MADE_BY} {__version__}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        f"{''.join(body)}\n</main>\n</body>\n</html>\n"
    )


def _head(found: Evaluation, names: Sequence[str], data: str) -> str:
    date = datetime.now().astimezone().strftime("%d %B %Y, %H:%M").lstrip("0")
    links = [(section.direction, DIRECTIONS[section.direction]) for section in found.sections]
    links += [("people", "People")] if found.votes else []
    links += [("training", "Training")] if any(model.run for model in found.models) else []
    links += [("protocol", "How the numbers came about")]
    menu = "".join(f'<a href="#{place}">{escape(text)}</a>' for place, text in links)
    return (
        f"<header><p class=eyebrow>i2i evaluation · {escape(date)}</p>"
        f"<h1>{escape(', '.join(names))} <span>on {escape(data)}</span></h1><nav>{menu}</nav></header>"
    )


def _section(section: Section) -> str:
    column = COLUMNS[section.by]
    said = "".join(f'<li class="{"noise" if c.noise else ""}">{_sentence(c.text())}</li>' for c in section.comparisons)
    said = f'<ul class="verdict">{said}</ul>' if said else ""
    others = [COLUMNS[name] for name in ("kid", "fid") if name != section.by and _known(section.rows, name)]
    more = "".join(intervals(section.rows, other) for other in others[:1])
    return (
        f'<section id="{section.direction}"><h2>{escape(DIRECTIONS[section.direction])} '
        f"<small>{section.protocol.inputs} outputs, {section.protocol.real} real pictures</small></h2>{said}"
        f'<div class="card">{intervals(section.rows, column)}{more}</div>{_table(section)}{_gallery(section)}'
        f"{_each(section)}</section>"
    )


def _sentence(text: str) -> str:
    """With its intervals kept on one line."""
    return re.sub(r"(\[[^\]]*\](?: ×10⁻³)?)", r"<span class=whole>\1</span>", escape(text))


def _known(rows: Sequence[Row], name: str) -> bool:
    return any(name in row.values for row in rows)


def _table(section: Section) -> str:
    columns = [column for column in COLUMNS.values() if _known(section.rows, column.name)]
    head = "".join(
        f'<th scope="col" title="{escape(c.says)}">{escape(c.title)} {ARROWS[c.better]}<small>{escape(c.unit)}</small>'
        "</th>"
        for c in columns
    )
    lines = []
    for row in section.rows:
        cells = "".join(f"<td>{_cell(c.name, row.values.get(c.name))}</td>" for c in columns)
        lines.append(f'<tr class="{row.kind}"><th scope="row">{escape(row.title)}</th>{cells}</tr>')
    return (
        f'<div class="scroll"><table><thead><tr><th></th>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table>'
        "</div><p class=note>In brackets 95 % intervals: the spread of the numbers when the test pictures are drawn "
        "again and again from those at hand.</p>"
    )


def _cell(name: str, found: Estimate | None) -> str:
    if found is None:
        return '<span class="none">–</span>'
    column = COLUMNS[name]
    ends = f"[{column.text(found.low)}, {column.text(found.high)}]" if math.isfinite(found.low) else ""
    return f"<b>{column.text(found.value)}</b><small>{ends}</small>"


def _gallery(section: Section) -> str:
    gallery = section.gallery
    if gallery is None:
        return ""
    titles = [row.title for row in ranked(section.rows, section.by)]
    drawn = (
        f"<h3>Drawn at random <small>seed {gallery.seed}, the same pictures for every model</small></h3>"
        f"{_grid(gallery.random, titles)}"
    )
    extremes = "".join(_extremes(gallery, title, first=index == 0) for index, title in enumerate(titles))
    first = gallery.random[0]
    order = ", ".join(
        what for what, image in (("input", first.input), ("output", True), ("truth", first.truth)) if image
    )
    return f"{drawn}<h3>Best and worst <small>by {escape(gallery.says)} · {order}</small></h3>{extremes}"


def _grid(shown: Sequence[Shown], titles: Sequence[str]) -> str:
    """A row of inputs, where there are any, one of what each model made of them, and one of the truth."""
    rows: list[tuple[str, list[Image.Image | None]]] = [("input", [one.input for one in shown])]
    rows += [(title, [one.outputs[title] for one in shown]) for title in titles]
    rows += [("truth", [one.truth for one in shown])]
    cells = []
    for title, images in rows:
        if any(image is not None for image in images):
            pairs = zip(shown, images, strict=True)
            cells.append(f'<p class="heading">{escape(title)}</p>')
            cells += [_figure(image, f"{one.name}, {title}") for one, image in pairs if image is not None]
    return f'<div class="scroll"><div class="grid" style="--columns:{len(shown)}">{"".join(cells)}</div></div>'


def _extremes(gallery: Gallery, title: str, *, first: bool) -> str:
    parts = []
    for says, shown in (("Best", gallery.best.get(title, [])), ("Worst", gallery.worst.get(title, []))):
        cards = "".join(_card(one, title) for one in shown)
        parts.append(f'<p class="heading">{says}</p><div class="cards">{cards}</div>')
    return f"<details{' open' if first else ''}><summary>{escape(title)}</summary>{''.join(parts)}</details>"


def _card(one: Shown, title: str) -> str:
    pictures = [("input", one.input), ("output", one.outputs[title]), ("truth", one.truth)]
    cells = "".join(_figure(image, f"{one.name}, {what}") for what, image in pictures if image is not None)
    return (
        f'<div class="triple"><div class="of">{cells}</div><p>{escape(one.name)} <b>{escape(one.score)}</b></p></div>'
    )


def _figure(image: Image.Image, says: str) -> str:
    return f'<figure class="picture">{embedded(image, says)}</figure>'


def _each(section: Section) -> str:
    """The numbers of every picture, where there is a truth to hold it against."""
    tables = []
    for row in ranked(section.rows, section.by):
        each = row.measured.each if row.measured is not None else {}
        names = [name for name in COLUMNS if name in each]
        if "psnr" not in names:
            continue
        head = "".join(f'<th scope="col">{escape(COLUMNS[name].title)}</th>' for name in names)
        lines = "".join(
            f'<tr><th scope="row">{escape(title)}</th>'
            + "".join(f"<td>{COLUMNS[name].text(float(each[name][index]))}</td>" for name in names)
            + "</tr>"
            for index, title in enumerate(section.names)
        )
        tables.append(
            f"<details><summary>Every picture: {escape(row.title)}</summary>"
            f'<div class="scroll tall"><table><thead><tr><th></th>{head}</tr></thead><tbody>{lines}</tbody></table>'
            "</div></details>"
        )
    return "".join(tables)


def _people(votes: Sequence[Tally]) -> str:
    if not votes:
        return ""
    items = "".join(f"<li>{_sentence(tally.text())}</li>" for tally in votes)
    return (
        f'<section id="people"><h2>People <small>blind test of the demo</small></h2><ul class="verdict">{items}</ul>'
        "<p class=note>In brackets 95 % intervals (Wilson). One of each pair is real: who can tell nothing is wrong in "
        "50 %, so no translation does better but by luck. The votes are of whoever came: not of a sample of anybody."
        "</p></section>"
    )


def _trainings(models: Sequence[Model]) -> str:
    parts = list(_runs(models))
    if not any(parts):
        return ""
    return (
        f'<section id="training"><h2>Training <small>from the logs of the runs</small></h2>{"".join(parts)}</section>'
    )


def _runs(models: Sequence[Model]) -> Iterator[str]:
    runs = {model.run: model.name for model in models if model.run is not None}
    for run, name in runs.items():
        best = next(
            (model.header.get("best") for model in models if model.run == run and model.header.get("best")), None
        )
        yield training(name, run, best)


def _protocols(found: Evaluation) -> str:
    parts = []
    for section in found.sections:
        told = section.protocol.to_json()
        told["ranked by"] = COLUMNS[section.by].title
        rows = "".join(
            f'<tr><th scope="row">{escape(name.replace("_", " "))}</th><td>{escape(str(value))}</td></tr>'
            for name, value in told.items()
        )
        fingerprint = escape(section.protocol.fingerprint())
        parts.append(
            f"<details><summary>{escape(DIRECTIONS[section.direction])}: protocol <code>{fingerprint}</code></summary>"
            f'<div class="scroll"><table class="plain">{rows}</table></div></details>'
        )
    used = {name for section in found.sections for row in section.rows for name in row.values}
    terms = "".join(f"<dt>{escape(c.title)}</dt><dd>{escape(c.says)}.</dd>" for c in COLUMNS.values() if c.name in used)
    notes = "".join(f"<li>{escape(note)}</li>" for note in found.notes)
    return (
        '<section id="protocol"><h2>How the numbers came about</h2><p>Numbers can be compared where their protocols '
        f"have the same fingerprint, and only there.</p>{''.join(parts)}<dl>{terms}</dl>"
        f"{f'<ul class=note>{notes}</ul>' if notes else ''}"
        f"<p class=note>Made by i2i {escape(__version__)} in {found.seconds:.0f} seconds.</p></section>"
    )
