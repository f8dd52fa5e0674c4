"""The same functions for programs: an HTTP API, and how to use it."""

from typing import Any

import gradio as gr

from i2i.demo.batch import Batching
from i2i.demo.components import Opened, as_path, photo_box, strength_told
from i2i.demo.labels import FOLDERS, PHOTOS, told
from i2i.demo.model_registry import Models
from i2i.demo.translation import Translating

_TEXT = """
What this page does, programs can ask for. The model's name and its directions are those that `models` tells; `strength`
is for models that want to be told how strong the damage is. Files are uploaded: an address or a path is never opened.

**Python**, with the package `gradio_client`:

```python
from gradio_client import Client, handle_file

i2i = Client("{url}"{auth})
print(i2i.predict(api_name="/models"))
picture, about = i2i.predict(handle_file("photo.jpg"), "{model}", "{direction}", api_name="/translate")
results, report = i2i.predict([handle_file("photos.zip")], "{model}", "{direction}", api_name="/folder")
```

**curl**: upload, ask, fetch.

```bash
photo=$(curl -s -F files=@photo.jpg {url}/gradio_api/upload | tr -d '[]"')
job=$(curl -s {url}/gradio_api/call/translate -H 'Content-Type: application/json' -d '{{"data": [{{"path": "'$photo'",
  "meta": {{"_type": "gradio.FileData"}}}}, "{model}", "{direction}", null]}}' | grep -o '[0-9a-f]\\{{32\\}}')
result=$(curl -sN {url}/gradio_api/call/translate/$job | grep -o '"url": *"[^"]*"' | head -1 | cut -d '"' -f 4)
curl -s -o translated.png "$result"
```

One picture is in the network at a time, in the order they came. At most {queue} jobs wait; more are told to come back
later (HTTP status 503). Uploads and results are deleted after {minutes:.0f} minutes.
"""


def tab(models: Models, translating: Translating, batching: Batching) -> list[Opened]:
    """Build it, inside the page's tab. Returns what is to be asked when a page is opened, and what it fills."""
    text = gr.Markdown(elem_id="programs")

    def translate(photo: str | None, model: str, direction: str | None = None, strength: float | None = None) -> Any:
        """Translate a photo by a model: the result as PNG in full size, and what it took.

        photo: an uploaded picture. model: one of those that `models` tells. direction: "AtoB" or "BtoA"; by default
        the model's first. strength: of the damage, for a model that wants to be told.
        """
        answer = translating(photo, model, direction, strength_told(models, model, strength))
        return str(answer.file), answer.to_json()

    def folder(files: list[str], model: str, direction: str | None = None, strength: float | None = None) -> Any:
        """Translate many uploaded pictures, and zips of pictures, by a model: the results as a zip, and a report.

        One bad file does not stop the others: the report names it, with the reason.
        """
        found = batching(files, model, direction, strength_told(models, model, strength))
        return str(found.file) if found.file else None, found.to_json()

    def list_models() -> Any:
        """The models that there are: name, directions, and the range of the strength where a model wants one."""
        return _listed(models)

    with gr.Row(visible=False):
        photo, files = photo_box("photo"), as_path(gr.File(label="files", file_count="multiple"))
        model, direction = gr.Textbox(label="model"), gr.Textbox(label="direction", value="")
        strength = gr.Number(label="strength", value=None)
        result, about = gr.File(label="result"), gr.JSON(label="about")
        asks = [gr.Button(), gr.Button(), gr.Button()]
    asks[0].click(told(translate), [photo, model, direction, strength], [result, about], api_name="translate", **PHOTOS)
    asks[1].click(told(folder), [files, model, direction, strength], [result, about], api_name="folder", **FOLDERS)
    asks[2].click(told(list_models), None, about, api_name="models", queue=False)

    def opened(request: gr.Request) -> str:
        return _told(models, request)

    return [(told(opened), [text])]


def _listed(models: Models) -> list[dict[str, Any]]:
    found = models.found().items()
    return [{"name": name, "directions": model.directions, "strength": models.strengths(name)} for name, model in found]


def _told(models: Models, request: gr.Request) -> str:
    """The text, with this server's address, limits and a model that there is."""
    url, limits = str(request.request.base_url if request.request else "").rstrip("/"), models.desk.limits
    found = next(iter(models.found().values()), None)
    name, way = (found.name, found.directions[0]) if found else ("MODEL", "AtoB")
    auth = ', auth=("NAME", "PASSWORD")' if request.username else ""
    return _TEXT.format(url=url, model=name, direction=way, queue=limits.queue, minutes=limits.keep / 60, auth=auth)
