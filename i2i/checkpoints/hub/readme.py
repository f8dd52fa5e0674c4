"""``README.md`` of a model on the Hugging Face Hub: the model card below a header of metadata (YAML)."""

import hashlib
import re
from dataclasses import replace

import yaml

from i2i.checkpoints.card_text import merge_card, read_section
from i2i.checkpoints.model_card import model_card
from i2i.checkpoints.model_info import ModelInfo
from i2i.directions import SAMPLE

LICENCES = (  # identifiers of the Hub that are common for weights; any other licence is "other" with its name
    "afl-3.0", "agpl-3.0", "apache-2.0", "artistic-2.0", "bigscience-openrail-m", "bsd", "bsd-2-clause", "bsd-3-clause",
    "bsl-1.0", "cc", "cc0-1.0", "cc-by-2.0", "cc-by-3.0", "cc-by-4.0", "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0",
    "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0", "cc-by-nd-4.0",
    "cc-by-sa-3.0", "cc-by-sa-4.0", "creativeml-openrail-m", "ecl-2.0", "epl-2.0", "eupl-1.1", "eupl-1.2", "gpl",
    "gpl-2.0", "gpl-3.0", "isc", "lgpl", "lgpl-2.1", "lgpl-3.0", "mit", "mpl-2.0", "ms-pl", "openrail", "openrail++",
    "osl-3.0", "unlicense", "wtfpl", "zlib",
)  # fmt: skip
_HEADER = re.compile(r"\A---\n.*?^---\n", re.DOTALL | re.MULTILINE)
_MARK = re.compile(r"\n<!-- i2i: ([0-9a-f]{64}) -->\n\Z")


def hub_readme(repo: str, info: ModelInfo, card: str = "") -> str:
    """Return the text of ``README.md``.

    Its last line is a comment with its SHA-256, from which ``is_unedited`` tells whether somebody edited it.

    Args:
        repo: "user/name".
        info: metadata of the model file.
        card: of the model on this machine, whose text by the user is kept.
    """
    licence = next(iter(read_section(card, "licence").splitlines()), "") or info.licence
    header = yaml.safe_dump(hub_metadata(repo, replace(info, licence=licence)), sort_keys=False, allow_unicode=True)
    body = merge_card(card, model_card(repo.partition("/")[2], info, address=f"hf://{repo}")).rstrip()
    text = f"---\n{header}---\n\n{body.encode('utf-8', 'replace').decode()}\n"
    return f"{text}\n<!-- i2i: {_digest(text)} -->\n"


def is_unedited(readme: str) -> bool:
    """Return whether a ``README.md`` is as ``hub_readme`` made it."""
    readme = readme.replace("\r\n", "\n")
    match = _MARK.search(readme)
    return match is not None and _digest(readme[: match.start()]) == match[1]


def card_of_readme(readme: str) -> str:
    """Return the card in a ``README.md``: without the header and the last line of ``hub_readme``."""
    return _MARK.sub("\n", _HEADER.sub("", readme.replace("\r\n", "\n"))).strip() + "\n"


def hub_metadata(repo: str, info: ModelInfo) -> dict[str, object]:
    """Return the metadata of a model, with the keys of the Hub."""
    tags = ["i2i", info.method, info.task_name, "imported" if info.source else ""]
    return {
        "library_name": "i2i",
        "pipeline_tag": "unconditional-image-generation" if SAMPLE in info.directions else "image-to-image",
        **licence_fields(info.licence),
        "tags": [tag for tag in dict.fromkeys(tags) if tag and tag.isprintable()],
        **_results(repo, info),
    }


def licence_fields(licence: str) -> dict[str, str]:
    """Return the licence as the Hub takes it; nothing if it is not known.

    >>> licence_fields("CC-BY-4.0")
    {'license': 'cc-by-4.0'}
    >>> licence_fields("for the class only")
    {'license': 'other', 'license_name': 'for the class only'}
    """
    if not licence:
        return {}
    known = licence.strip().lower().replace(" ", "-")
    return {"license": known} if known in LICENCES else {"license": "other", "license_name": licence}


def _results(repo: str, info: ModelInfo) -> dict[str, object]:
    """Return the result for which the weights were kept, as a "model-index"."""
    best = info.best
    if best is None or not info.data.name:
        return {}
    dataset = {"name": info.data.name, "type": info.data.name, "split": best.split}
    metric = {"type": best.metric, "value": best.value}
    result = {"task": {"type": "image-to-image"}, "dataset": dataset, "metrics": [metric]}
    return {"model-index": [{"name": repo.partition("/")[2], "results": [result]}]}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
