"""Exported files as networks: modules that take and return tensors, and are computed by another engine."""

import numpy as np
import torch
from torch import Tensor, nn

from i2i.engines.memory import EngineMemory
from i2i.engines.sessions import Session

Range = tuple[float, float]
MINUS_ONE_TO_ONE: Range = (-1.0, 1.0)


class EngineNetwork(nn.Module):
    """A network that onnxruntime or OpenVINO computes on the CPU.

    Args:
        session: the opened file.
        value_range: values of black and white that the file takes and returns.
        memory: what refuses images that do not fit the memory in one pass; None to refuse none.
    """

    def __init__(
        self, session: Session, value_range: Range = MINUS_ONE_TO_ONE, memory: EngineMemory | None = None
    ) -> None:
        super().__init__()
        self.session = session
        self.memory = memory
        self._low, self._high = value_range

    @property
    def engine(self) -> str:
        """Name of the engine."""
        return self.session.name

    def forward(self, image: Tensor) -> Tensor:
        """Return the result, (N, 3, scale·H, scale·W) in [-1, 1], of images (N, C, H, W) in [-1, 1].

        Raises:
            NotImplementedError: ``image`` is a streamed feature map.
            I2IError: the images take more than the available memory.
            MemoryError: the engine is out of memory.
        """
        if not isinstance(image, Tensor):
            raise NotImplementedError("only torch streams an image by rows")
        if self.memory is not None:
            self.memory.check(image.shape[3], image.shape[2], len(image))
        values = self._to_own_range(image.detach().float().cpu())
        array = np.ascontiguousarray(values.numpy(), dtype=self.session.input_dtype)
        result = torch.from_numpy(np.asarray(self.session(array), dtype=np.float32))
        return self._from_own_range(result)

    def _to_own_range(self, image: Tensor) -> Tensor:
        if (self._low, self._high) == MINUS_ONE_TO_ONE:
            return image
        return (image + 1) * ((self._high - self._low) / 2) + self._low

    def _from_own_range(self, result: Tensor) -> Tensor:
        if (self._low, self._high) == MINUS_ONE_TO_ONE:
            return result
        return (result - self._low) * (2 / (self._high - self._low)) - 1
