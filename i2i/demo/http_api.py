"""The plain HTTP API: ``POST /translate``, ``GET /models``, ``GET /health`` and their description at ``/docs``."""

import re
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, FastAPI, File, Form, Request, Response, UploadFile
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.concurrency import run_in_threadpool

from i2i._version import __version__
from i2i.demo.camera import CameraTranslator
from i2i.demo.choosing import choose_for_upload
from i2i.demo.components import validate_strength
from i2i.demo.http_camera import add_camera_route
from i2i.demo.http_errors import ERROR_RESPONSES, HttpError, add_error_handlers, check_fields, refuse_other_methods
from i2i.demo.http_queue import HttpQueue
from i2i.demo.labels import direction_label, purpose
from i2i.demo.model_registry import ModelRegistry, RegisteredModel
from i2i.demo.output import FORMATS, OWN, OutputOptions
from i2i.demo.regions import Selection
from i2i.demo.rendering import render
from i2i.demo.translation import PhotoTranslator
from i2i.demo.translation_result import TranslationResult
from i2i.demo.uploads import UploadStore
from i2i.errors import UsageError
from i2i.images.writing import QUALITY
from i2i.inference.auto.choice import AUTO
from i2i.inference.finishing import Finishing

LoginCheck = Callable[[Request], Awaitable[None]]
_TITLE = "i2i"
_DESCRIPTION = 'Translate photos with the models of this server. Errors are JSON: {"error": "what is wrong"}.'

_HEADER_TEXT = " /:;,+=()[]"  # characters besides letters that a header holds as they are; others are percent-encoded
_FIELDS = ("image", "model", "direction", "strength", "mask", "keep", "blend", "grain", "format", "quality", "lossless")

Photo = Annotated[
    UploadFile, File(description="the photo, or what the model takes, as a file of any format that i2i reads")
]
ModelName = Annotated[
    str | None, Form(description="name of a model, or auto to choose by the photo [default: the first of /models]")
]
DirectionName = Annotated[str | None, Form(description="AtoB or BtoA [default: the model's first direction]")]
Strength = Annotated[float | None, Form(description="degradation strength, for a model that takes one")]
FillMask = Annotated[
    UploadFile | None,
    File(description="mask of the photo's size, white where an inpainting model is to fill"),
]
KeepMask = Annotated[
    UploadFile | None, File(description="mask of the photo's size, white where the photo stays as it is")
]
Blend = Annotated[float, Form(description="1: the result as it is; 0: the photo; in between: a mixture of the two")]
Grain = Annotated[float, Form(description="film grain to add to the result, σ in grey levels, at most 50")]
FormatName = Annotated[
    str,
    Form(
        description=f"format of the result: {', '.join(FORMATS)}; npy for a model of other channels; own is png for "
        "photos, and of a model of other channels the format that keeps all samples"
    ),
]
Quality = Annotated[int, Form(description="quality of a jpg, webp or avif, from 1 to 100")]
Lossless = Annotated[bool, Form(description="whether a webp or avif stores the pixels as they are")]


def add_http_api(app: FastAPI, translator: PhotoTranslator, check_login: LoginCheck) -> None:
    """Add the routes to an app. Add them before the page, which takes all other addresses.

    Args:
        app: the app of the server.
        translator: translates the photos, in one order with those of the page.
        check_login: raises HttpError if a request may not use the server.
    """
    limits = translator.store.limits
    queue = HttpQueue(limits.max_queue, limits.max_seconds)
    router = APIRouter(dependencies=[Depends(check_login)], responses=ERROR_RESPONSES)
    _add_translate(router, translator, queue)
    _add_explain(router, translator, queue)
    _add_models(router, translator.registry)
    _add_health(app, translator.registry, queue)
    _add_documentation(router, app, translator.registry)
    app.title, app.version, app.description = _TITLE, __version__, _DESCRIPTION
    app.include_router(router)
    add_camera_route(app, CameraTranslator(translator.registry, limits), check_login)
    add_error_handlers(app)


def _add_translate(router: APIRouter, translator: PhotoTranslator, queue: HttpQueue) -> None:
    registry, store = translator.registry, translator.store

    @router.post("/translate", response_class=Response, responses=_IMAGE_RESPONSE)
    async def translate(
        request: Request,
        image: Photo,
        model: ModelName = None,
        direction: DirectionName = None,
        strength: Strength = None,
        mask: FillMask = None,
        keep: KeepMask = None,
        blend: Blend = 1.0,
        grain: Grain = 0.0,
        format: FormatName = OWN,
        quality: Quality = QUALITY,
        lossless: Lossless = False,
    ) -> Response:
        """Translate a photo and return the result as an image file."""
        check_fields(await request.form(), _FIELDS)
        options = OutputOptions.parse(format, quality, lossless)
        finishing = Finishing(blend, grain)
        name = model or registry.default_name()
        if name is None:
            raise HttpError(404, "This server has no models yet.")
        takes_mask = name != AUTO and (await run_in_threadpool(_find_model, registry, name)).info.takes_mask
        if mask is not None and not takes_mask:
            raise HttpError(400, f"{name} does not inpaint: mask is for models of the task inpaint. Omit it.")

        def run() -> tuple[TranslationResult, bytes]:
            with _Uploads(store) as uploads:
                result = translator(
                    uploads.save(image),
                    name,
                    direction,
                    validate_strength(registry, name, strength, strict=True),
                    Selection(uploads.save(mask)) if mask is not None else None,
                    Selection(uploads.save(keep), name="The image keep") if keep is not None else None,
                    finishing=finishing,
                )
            return result, result.encode(options)

        result, data = await queue.run(run, request)
        written = options.resolved(result.own_format)
        return Response(data, media_type=written.media_type, headers=_result_headers(result, written))

    refuse_other_methods(
        router, "/translate", "POST", "Send a photo to /translate by POST; /docs describes the fields."
    )


def _add_explain(router: APIRouter, translator: PhotoTranslator, queue: HttpQueue) -> None:
    @router.post("/explain", response_description="The model, the reasons and the measurements.")
    async def explain(request: Request, image: Photo) -> dict[str, Any]:
        """Say which models suit a photo, and why. "model" is null if it needs none."""
        check_fields(await request.form(), ("image",))

        def run() -> dict[str, Any]:
            with _Uploads(translator.store) as uploads:
                return choose_for_upload(translator.registry, translator.store, uploads.save(image)).to_json()

        return await queue.run(run, request)

    refuse_other_methods(router, "/explain", "POST", "Send a photo to /explain by POST; /docs describes the fields.")


def _add_models(router: APIRouter, registry: ModelRegistry) -> None:
    @router.get("/models", response_description="The models and the unusable files.")
    def models() -> dict[str, Any]:
        """List the models: what they do, their directions, and what they take; and the files that are not usable."""
        return {
            "models": describe_models(registry),
            "unusable": [{"name": name, "reason": reason} for name, reason in registry.unusable().items()],
        }

    refuse_other_methods(router, "/models", "GET", "/models is read by GET. Photos are sent to /translate.")


def _add_health(app: FastAPI, registry: ModelRegistry, queue: HttpQueue) -> None:
    @app.get("/health", response_description="The server works.")
    @app.head("/health", include_in_schema=False)
    def health() -> dict[str, Any]:
        """Say that the server works and how many photos are waiting. This needs no password."""
        return {"status": "ok", "waiting": queue.waiting + registry.lock.queue_length()}

    refuse_other_methods(app.router, "/health", "GET", "/health is read by GET. Photos are sent to /translate.")


def _add_documentation(router: APIRouter, app: FastAPI, registry: ModelRegistry) -> None:
    @router.get("/openapi.json", include_in_schema=False)
    def schema() -> JSONResponse:
        return JSONResponse(app.openapi())

    @router.get("/docs", include_in_schema=False)
    def documentation(request: Request) -> HTMLResponse:
        url = str(request.base_url).rstrip("/")
        names = registry.names()
        return HTMLResponse(render("http_api", schema=app.openapi(), url=url, models=names, formats=FORMATS))


def _find_model(registry: ModelRegistry, name: str) -> RegisteredModel:
    try:
        return registry.model(name)
    except UsageError as error:
        raise HttpError(404, str(error)) from error


def describe_models(registry: ModelRegistry) -> list[dict[str, Any]]:
    """Return name, purpose, directions and inputs of each model, for programs."""
    return [
        {
            "name": name,
            "purpose": purpose(model),
            "directions": list(model.info.directions),
            "direction_labels": [direction_label(model, direction) for direction in model.info.directions],
            "task": model.info.task_name or ("superres" if model.info.scale > 1 else None),
            "scale": model.info.scale,
            "strength": registry.strength_range(name),
            "takes_mask": model.info.takes_mask,
            "inputs": [str(model.info.input_format(direction)) for direction in model.info.directions],
            "results": [str(model.info.output_format(direction)) for direction in model.info.directions],
        }
        for name, model in registry.models().items()
    ]


class _Uploads:
    """The uploaded files of one request. They are deleted at the end of the ``with`` block."""

    def __init__(self, store: UploadStore) -> None:
        self._store = store
        self._paths: list[Path] = []

    def __enter__(self) -> "_Uploads":
        return self

    def save(self, upload: UploadFile) -> Path:
        """Save an upload and return its path. Raises HttpError if it is too large."""
        limit = self._store.limits.max_upload_bytes
        if (upload.size or 0) > limit:
            raise HttpError(413, f"{_file_name(upload)} is larger than {limit / 1e6:g} MB, the limit of an upload.")
        path = self._store.new_path(_file_name(upload))
        self._paths.append(path)
        with path.open("wb") as file:
            shutil.copyfileobj(upload.file, file)
        return path

    def __exit__(self, *_: object) -> None:
        for path in self._paths:
            shutil.rmtree(path.parent, ignore_errors=True)


def _file_name(upload: UploadFile) -> str:
    """Return a safe name for an upload, with its suffix: it may decide about the decoder."""
    name = re.sub(r"[^\w. ()-]+", "_", Path((upload.filename or "").replace("\\", "/")).name)
    return f"{Path(name).stem[:80] or 'photo'}{Path(name).suffix[:10]}"


def _result_headers(result: TranslationResult, options: OutputOptions) -> dict[str, str]:
    name = quote(result.file_name(options.suffix))
    reason = {} if result.choice is None else {"X-I2I-Choice": quote(str(result.choice), safe=_HEADER_TEXT)}
    return reason | {
        "Content-Disposition": f"inline; filename*=UTF-8''{name}",
        "Server-Timing": f"load;dur={1000 * result.loading_seconds:.0f}, network;dur={1000 * result.seconds:.0f}",
        "X-I2I-Model": quote(result.model, safe="/ "),
        "X-I2I-Direction": result.direction,
    }


_IMAGE_RESPONSE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The result, as an image file.",
        "content": {"image/*": {"schema": {"type": "string", "format": "binary"}}},
    }
}
