"""The tab "API": the HTTP API and how to use it."""

from typing import Any

import gradio as gr

from i2i.demo.batch import FolderTranslator
from i2i.demo.components import OnLoad, photo_input, raw_upload, validate_strength
from i2i.demo.handlers import FOLDER_QUEUE, PHOTO_QUEUE, user_errors
from i2i.demo.http_api import describe_models
from i2i.demo.limits import Limits
from i2i.demo.model_registry import ModelRegistry
from i2i.demo.translation import PhotoTranslator
from i2i.directions import Direction

_TEXT = """
Programs can use the functions of this page. `models` lists the names of the models and their directions. `strength` is
the degradation strength, for models that need it. Upload files first: the server never opens an address or a path.

**Python**, with the package `gradio_client`:

```python
from gradio_client import Client, handle_file

i2i = Client("{url}"{auth})
print(i2i.predict(api_name="/models"))
image, about = i2i.predict(handle_file("photo.jpg"), "{model}", "{direction}", api_name="/translate")
results, report = i2i.predict([handle_file("photos.zip")], "{model}", "{direction}", api_name="/folder")
```

**Any other language**, over plain HTTP: send the photo as multipart form data, and the answer is the result. All fields
are described at [{url}/docs]({url}/docs).

```bash
curl -F image=@photo.jpg -F model={model} -F direction={direction} -o result.png {url}/translate
curl {url}/models
```

The server translates one image at a time, in order of arrival. At most {max_queue} jobs wait; the server refuses
further ones with HTTP status 503. It deletes uploads and results after {minutes:.0f} minutes.
"""


def build_tab(photo_translator: PhotoTranslator, folder_translator: FolderTranslator) -> list[OnLoad]:
    """Build the tab in the current Gradio context and return its load events."""
    registry = photo_translator.registry
    text = gr.Markdown(elem_id="api")

    def translate(photo: str | None, model: str, direction: str | None = None, strength: float | None = None) -> Any:
        """Translate a photo with a model. Returns the result in full size, and a description.

        The result is a PNG; of a model of other channels than RGB it is a file that keeps all samples.

        photo: an uploaded image. model: a name from `models`. direction: "AtoB" or "BtoA"; by default the model's
        first. strength: the degradation strength, for a model that needs it.
        """
        result = photo_translator(photo, model, direction, validate_strength(registry, model, strength, strict=True))
        return str(
            photo_translator.store.save(result.encode(), result.file_name(f".{result.own_format}"))
        ), result.to_json()

    def folder(files: list[str], model: str, direction: str | None = None, strength: float | None = None) -> Any:
        """Translate many uploaded images, and zips of images, with a model. Returns the results as a zip, and a report.

        A file that fails does not stop the others: the report names it with the reason.
        """
        result = folder_translator(files, model, direction, validate_strength(registry, model, strength, strict=True))
        return str(result.file) if result.file else None, result.to_json()

    def list_models() -> Any:
        """Return the models: name, directions, and the range of the strength for a model that needs it."""
        return describe_models(registry)

    with gr.Row(visible=False):
        photo = photo_input("photo")
        files = raw_upload(gr.File(label="files", file_count="multiple"))
        model = gr.Textbox(label="model")
        direction = gr.Textbox(label="direction", value="")
        strength = gr.Number(label="strength", value=None)
        result = gr.File(label="result")
        about = gr.JSON(label="about")
        translate_button = gr.Button()
        folder_button = gr.Button()
        models_button = gr.Button()
    options = [model, direction, strength]
    translate_button.click(
        user_errors(translate), [photo, *options], [result, about], api_name="translate", **PHOTO_QUEUE
    )
    folder_button.click(user_errors(folder), [files, *options], [result, about], api_name="folder", **FOLDER_QUEUE)
    models_button.click(user_errors(list_models), None, about, api_name="models", queue=False)

    def on_load(request: gr.Request) -> str:
        return _usage_text(registry, photo_translator.store.limits, request)

    return [OnLoad(user_errors(on_load), [text])]


def _usage_text(registry: ModelRegistry, limits: Limits, request: gr.Request) -> str:
    """Return the text with this server's address and limits and the name of one of its models."""
    model = next(iter(registry.models().values()), None)
    return _TEXT.format(
        url=str(request.request.base_url if request.request else "").rstrip("/"),
        auth=', auth=("NAME", "PASSWORD")' if request.username else "",
        model=model.name if model else "MODEL",
        direction=model.info.directions[0] if model else Direction.A_TO_B,
        max_queue=limits.max_queue,
        minutes=limits.retention_seconds / 60,
    )
