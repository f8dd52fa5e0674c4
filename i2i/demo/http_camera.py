"""The route that the tab "Camera" sends its images to: ``POST /camera``."""

from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from i2i.demo.camera import DEFAULT_SIDE, MAX_WAIT, CameraResult, CameraSettings, CameraTranslator
from i2i.demo.http_errors import HttpError, refuse_other_methods
from i2i.demo.http_queue import CLOSED_REQUEST, HttpQueue
from i2i.device import is_out_of_memory


def add_camera_route(
    app: FastAPI, translator: CameraTranslator, check_login: Callable[[Request], Awaitable[None]]
) -> None:
    """Add the route to an app, above the page, which takes all other addresses.

    At most two images wait for the models, whatever the number of cameras, so that photos wait for two images only.

    Args:
        app: the app of the server, with the error handlers of ``add_error_handlers``.
        translator: translates the images.
        check_login: raises HttpError if a request may not use the server.
    """
    queue = HttpQueue(translator.limits.max_queue, MAX_WAIT)

    async def check_page_login(request: Request) -> None:
        try:
            await check_login(request)
        except HttpError as error:  # of status 401, at which browsers would ask for a password in a window of their own
            raise HttpError(403, "The login has expired. Load the page again to log in.") from error

    router = APIRouter(dependencies=[Depends(check_page_login)], include_in_schema=False)

    @router.post("/camera")
    async def camera(
        request: Request,
        model: str = "",
        direction: str | None = None,
        strength: float | None = None,
        side: int = DEFAULT_SIDE,
    ) -> Response:
        """Translate an image of a camera. The body has its pixels, and the answer is a JPEG."""
        settings = await run_in_threadpool(translator.settings, model, direction, strength, side)
        pixels = await _read_pixels(request, settings)
        result, data = await queue.run(lambda: _translate(translator, settings, pixels), request)
        headers = {"Server-Timing": result.timing(), "Cache-Control": "no-store"}
        return Response(data, media_type="image/jpeg", headers=headers)

    refuse_other_methods(router, "/camera", "POST", "The camera is a tab of the page at /.")
    app.include_router(router)


async def _read_pixels(request: Request, settings: CameraSettings) -> bytes:
    """Return the body of a request, which is not read beyond the size of an image.

    Raises:
        HttpError: the body is larger, or the client has left.
    """
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > settings.image_bytes:
                raise HttpError(413, f"An image of this side has {settings.image_bytes} bytes; this one has more.")
    except ClientDisconnect as error:
        raise HttpError(CLOSED_REQUEST, "The client has left.") from error
    return bytes(body)


def _translate(translator: CameraTranslator, settings: CameraSettings, pixels: bytes) -> tuple[CameraResult, bytes]:
    """Return the translated image, also as a file."""
    try:
        result = translator(settings, pixels)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise HttpError(500, "There is not enough memory just now. Choose a smaller side or another model.") from error
    return result, result.encode()
