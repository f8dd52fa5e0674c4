"""Run a network on a batch within the memory of the device: in one pass, in tiles, or streamed by rows."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from i2i.device import autocast, fork_rng_with_seed, is_out_of_memory
from i2i.images import to_uint8
from i2i.images.tensors import to_uint16
from i2i.inference.measured_tiles import MeasuredTiles
from i2i.inference.preprocessing import Preprocessor, Size
from i2i.inference.streaming import reporting_work, stream_rows, tiled_forward
from i2i.networks.batching import depends_on_batch

logger = logging.getLogger(__name__)

_PROBE_SIDE = 128  # pixels a side of the image on which the work for a pixel is measured
MAX_PIXELS_UNTILED = 2_000_000  # largest image that a CPU runs in one pass: a 9-block generator takes 3 GB for it


class MemoryLimits:
    """The largest image and the largest batch that run in one pass, as far as is known.

    A CPU does not report reliably that its memory is full, so its limits start at MAX_PIXELS_UNTILED. Other devices
    start without limits, which out-of-memory errors lower. A warning is logged when a limit is lowered for one image,
    and the first time for a batch.

    Args:
        device: the device of the network.
        max_pixels_on_cpu: pixels of the largest image and batch that a CPU runs in one pass.
    """

    def __init__(self, device: torch.device, max_pixels_on_cpu: int) -> None:
        limit = max_pixels_on_cpu if device.type == "cpu" else sys.maxsize
        self.max_image_pixels = limit
        self.max_batch_pixels = limit
        self._device = device
        self._warned = False

    def reduce(self, count: int, size: Size) -> None:
        """Lower the limits after ``count`` images of a padded size did not fit."""
        width, height = size
        if count == 1:
            self.max_image_pixels = width * height - 1
            logger.warning(
                "An image of %dx%d pixels does not fit the memory of %s in one pass: "
                "continuing in tiles or row by row.",
                width,
                height,
                self._device,
            )
            return
        if not self._warned:
            self._warned = True
            logger.warning(
                "A batch of %d images of %dx%d pixels does not fit the memory of %s: continuing with smaller batches.",
                count,
                width,
                height,
                self._device,
            )
        self.max_batch_pixels = count // 2 * width * height


class NetworkRunner:
    """Run a network on uint8 batches, with the first of three strategies that fits the memory.

    1. ``forward_batch``: the whole batch in one pass, for images up to ``limits.max_image_pixels``.
    2. ``forward_tiled``: one image in tiles that overlap by the receptive field, for networks that have a finite one.
    3. ``forward_streaming``: one image by rows, with the normalisation statistics of the whole image.

    A strategy that cannot compute this network is not tried again; the last resort is ``forward_batch``. All three give
    the same result, up to the order of floating-point sums. Random numbers come from the same seed each time.

    Args:
        network: on ``device``, in its inference mode.
        preprocessor: makes the network's input.
        device: device of the network.
        dtype: data type of autocast.
        measured_tiles: the tiles of a network of another program; None for other networks.

    Attributes:
        network: the network itself.
        forward_fn: what runs the network on tensors: the network, or its compiled form.
        engine: name of what computes ``forward_fn``, such as "onnxruntime"; "" for torch.
        on_progress: called with the fraction done of an image that runs in tiles or by rows; None to call nothing.
    """

    def __init__(
        self,
        network: nn.Module,
        preprocessor: Preprocessor,
        device: torch.device,
        dtype: torch.dtype,
        measured_tiles: MeasuredTiles | None = None,
    ) -> None:
        self.network = network
        self.forward_fn: Callable[[Tensor], Tensor] = network
        self.engine = ""
        self.on_progress: Callable[[float], None] | None = None
        self.tiles = measured_tiles
        self.limits = MemoryLimits(device, measured_tiles.max_pixels if measured_tiles else MAX_PIXELS_UNTILED)
        self.one_at_a_time = depends_on_batch(network)
        self._preprocessor = preprocessor
        self._device = device
        self._dtype = dtype
        self._piecewise = [self.forward_tiled, self.forward_streaming]  # in the order in which they are tried
        if preprocessor.receptive_radius is None:
            self._piecewise.remove(self.forward_tiled)
        if measured_tiles is not None:
            self._piecewise = [self.forward_measured] if measured_tiles.are_possible else []

    def compile(self) -> None:
        """Compile the network at its first passes. If that fails, a warning is logged and it runs uncompiled."""
        self.forward_fn = torch.compile(self.network)

    def use_engine(self, name: str, forward_fn: Callable[[Tensor], Tensor]) -> None:
        """Compute batches and tiles by another engine; by torch what is streamed by rows, or fails in the engine."""
        self.engine, self.forward_fn = name, forward_fn

    @contextmanager
    def uncompiled(self) -> Iterator[None]:
        """Run the network uncompiled, and in torch, inside the context."""
        forward_fn = self.forward_fn
        self.forward_fn = self.network
        try:
            yield
        finally:
            self.forward_fn = forward_fn

    def runs_piecewise(self, size: Size) -> bool:
        """Return whether an image of a padded size is too large for one pass and runs in tiles or by rows."""
        return bool(self._piecewise) and size[0] * size[1] > self.limits.max_image_pixels

    def max_batch_size(self, size: Size) -> int:
        """Return how many images of a padded size may run together."""
        if self.one_at_a_time or self.runs_piecewise(size):
            return 1
        return max(1, self.limits.max_batch_pixels // (size[0] * size[1]))

    def preferred_batch_size(self, size: Size) -> int:
        """Return how many images of a padded size run fastest together."""
        pixels = size[0] * size[1]
        if self.one_at_a_time or pixels > self.limits.max_image_pixels:
            return 1
        # A CPU is fully used from 64² to 128² pixels on: 9 blocks in bfloat16 take 56, 49, 41 and 41 ms of one core for
        # each image of 64² in batches of 1, 2, 4 and 8; 164, 157, 164 and 172 at 128²; 590, 660, 720 and 930 at 256².
        # A GPU needs millions of pixels: its residual blocks run at a sixteenth of the pixels.
        max_pixels, max_images = (8_000_000, 32) if self._device.type == "cuda" else (128 * 128, 8)
        return max(1, min(max_images, max_pixels // pixels))

    def can_retry(self, count: int, size: Size) -> bool:
        """Return whether ``count`` images of a padded size that ran out of memory can run in less memory."""
        return count > 1 or (bool(self._piecewise) and not self.runs_piecewise(size))

    @torch.inference_mode()
    def run(self, pixels: Tensor) -> Tensor:
        """Run the network on a batch.

        Args:
            pixels: levels (N, H, W, C) on the CPU, see ``PaddedBatch``, with N at most ``max_batch_size``.

        Returns: (N, scale·H, scale·W, C), on the device or on the CPU: uint8, or uint16 for levels in float32; or
            float32 in [-1, 1], as the preprocessor says.

        Raises: RuntimeError or MemoryError if the device is out of memory.
        """
        if self.tiles is not None:
            self.tiles.check_size(pixels.shape[2], pixels.shape[1])
        while self.runs_piecewise((pixels.shape[2], pixels.shape[1])):
            try:
                return self._run_seeded(self._piecewise[0], pixels)
            except NotImplementedError:
                self._piecewise.pop(0)
        return self._run_seeded(self.forward_batch, pixels)

    def _run_seeded(self, strategy: Callable[[Tensor], Tensor], pixels: Tensor) -> Tensor:
        with fork_rng_with_seed(self._device, 0), autocast(self._device, self._dtype):
            return strategy(pixels)

    def forward_batch(self, pixels: Tensor) -> Tensor:
        """Run the network once on the whole batch."""
        network_input = self._preprocessor.network_input(pixels.to(self._device, non_blocking=True))
        return self._quantize(self._call_network(network_input), pixels.dtype).permute(0, 2, 3, 1)

    def forward_tiled(self, pixels: Tensor) -> Tensor:
        """Run the network on overlapping tiles of one image. Memory does not grow with the image.

        Raises: NotImplementedError if the receptive field is too large for tiles.
        """
        radius = self._preprocessor.receptive_radius
        assert radius is not None
        run_tile = self._tile_function(pixels)
        height, width = pixels.shape[1:3]
        max_tile_pixels = min(self.limits.max_image_pixels, MAX_PIXELS_UNTILED)
        report = self.on_progress or (lambda fraction: None)
        output = tiled_forward(
            height, width, run_tile, radius, self._preprocessor.size_multiple, max_tile_pixels, report
        )
        return output[None]

    def forward_measured(self, pixels: Tensor) -> Tensor:
        """Run a network of another program on overlapping tiles of one image."""
        assert self.tiles is not None
        report = self.on_progress or (lambda fraction: None)
        height, width = pixels.shape[1:3]
        run_tile = self._tile_function(pixels)
        return self.tiles.forward(height, width, run_tile, self.limits.max_image_pixels, report)[None]

    def _tile_function(self, pixels: Tensor) -> Callable[[slice, slice], Tensor]:
        """Return a function that runs the network on rows and columns of one image, and returns levels (h, w, 3)."""

        def run_tile(rows: slice, columns: slice) -> Tensor:
            network_input = self._preprocessor.network_input(pixels[:, rows, columns].to(self._device))
            return self._to_hwc(self._call_network(network_input), pixels.dtype)

        return run_tile

    def forward_streaming(self, pixels: Tensor) -> Tensor:
        """Run the network by rows of one image. Memory grows with a sixteenth of its pixels.

        Raises: NotImplementedError if the network calls a function that cannot be streamed.
        """

        if self.on_progress is None:
            return self._stream(pixels)
        height, width = pixels.shape[1:3]
        total = self._work_per_pixel(pixels.shape[3]) * height * width
        done = 0.0
        report = self.on_progress

        def add(work: float) -> None:
            nonlocal done
            done += work
            report(min(1.0, done / total))

        with reporting_work(add):
            output = self._stream(pixels)
        report(1.0)
        return output

    def _stream(self, pixels: Tensor) -> Tensor:
        def fetch_rows(top: int, bottom: int) -> Tensor:
            return self._preprocessor.network_input(pixels[:, top:bottom].to(self._device))

        # A compiled network takes plain tensors only.
        output = self.network(stream_rows(pixels.shape[1], pixels.shape[2], fetch_rows))
        return torch.cat([self._to_hwc(strip, pixels.dtype) for _, strip in output.strips()])[None]

    def _work_per_pixel(self, channels: int) -> float:
        """Return the work that ``reporting_work`` reports for each pixel of an image, measured on a small one."""
        multiple = self._preprocessor.size_multiple
        side = -(-_PROBE_SIDE // multiple) * multiple
        work: list[float] = []
        with fork_rng_with_seed(self._device, 0), reporting_work(work.append):  # dropout is drawn from the next numbers
            self._stream(torch.zeros(1, side, side, channels, dtype=torch.uint8))
        return sum(work) / side**2

    def _quantize(self, image: Tensor, input_dtype: torch.dtype) -> Tensor:
        return image.float() if self._preprocessor.returns_floats else quantize(image, input_dtype)

    def _to_hwc(self, image: Tensor, input_dtype: torch.dtype) -> Tensor:
        """Return (1, C, H, W) in [-1, 1] as levels or values (H, W, C) on the CPU."""
        return self._quantize(image, input_dtype)[0].permute(1, 2, 0).cpu()

    def _call_network(self, network_input: Tensor) -> Tensor:
        try:
            return self.forward_fn(network_input)
        except Exception as error:  # a compiler raises many types of errors
            if self.forward_fn is self.network or is_out_of_memory(error):
                raise
            self.forward_fn = self.network
            reason = str(error).splitlines()[0]
            if self.engine:
                logger.warning("%s cannot run this network (%s): continuing with torch.", self.engine, reason)
                self.engine = ""
            else:
                logger.warning(
                    "The network cannot be compiled on this machine (%s): continuing without compilation.", reason
                )
        return self.forward_fn(network_input)


def quantize(image: Tensor, input_dtype: torch.dtype) -> Tensor:
    """Return (N, 3, H, W) in [-1, 1] as uint8; as uint16 if the input of the network was float32, of 16-bit images."""
    return to_uint16(image) if input_dtype == torch.float32 else to_uint8(image)
