"""Which device and which precision to compute in."""

import ctypes
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Literal

from i2i.errors import ConfigError

if TYPE_CHECKING:
    import torch

Precision = Literal["auto", "float32", "bfloat16"]
_OUT_OF_MEMORY = re.compile(r"can't allocate memory|out of memory|not enough memory|ALLOC_FAILED", re.IGNORECASE)


def pick_device(name: str) -> "torch.device":
    """The device of a name: "auto" is CUDA where there is one, else Apple's MPS, else the CPU.

    Raises ConfigError for a name torch does not know, or a device this machine lacks.
    """
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"Device {name!r} cannot be used here ({reason}). Try --device auto or cpu.") from error
    return device


def pick_precision(name: Precision, device: "torch.device") -> "torch.dtype":
    """The type convolutions compute in: "auto" is bfloat16 where the device has fast units for it.

    That is CUDA from Ampere on, and CPUs with AMX or AVX-512 BF16. Raises ConfigError for an unknown name.
    """
    import torch

    if name not in ("auto", "float32", "bfloat16"):
        raise ConfigError(f"precision is {name!r}; it must be auto, float32 or bfloat16.")
    if name != "auto":
        return torch.bfloat16 if name == "bfloat16" else torch.float32
    if device.type == "cuda":
        fast = torch.cuda.get_device_capability(device) >= (8, 0)
    else:
        fast = device.type == "cpu" and (torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())
    return torch.bfloat16 if fast else torch.float32


def is_of_memory(error: Exception) -> bool:
    """Whether an error says that a device's memory is full."""
    import torch

    full = isinstance(error, torch.OutOfMemoryError | MemoryError)
    return full or (isinstance(error, RuntimeError) and bool(_OUT_OF_MEMORY.search(str(error))))


def autocast(device: "torch.device", dtype: "torch.dtype") -> AbstractContextManager[None]:
    """Autocast to ``dtype``; for float32 a context that does nothing."""
    import torch

    return torch.autocast(device.type, dtype, enabled=dtype != torch.float32)


@contextmanager
def seeded(device: "torch.device", seed: int) -> Iterator[None]:
    """What is drawn inside, on the CPU and on ``device``, depends on ``seed`` alone and leaves no trace outside."""
    import torch

    backend = getattr(torch, device.type) if device.type in ("cuda", "mps") else None
    where = (device,) if device.type == "cuda" else ()
    before, there = torch.get_rng_state(), backend.get_rng_state(*where) if backend else None
    try:
        torch.default_generator.manual_seed(seed)
        if backend and device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        elif backend:
            backend.manual_seed(seed)
        yield
    finally:
        torch.set_rng_state(before)
        if backend:
            backend.set_rng_state(there, *where)


def keep_memory() -> None:
    """Have this process keep what it frees for what it allocates next, instead of giving it back to the system.

    Large tensors on a CPU otherwise come anew from the system each time, which clears them page by page: 38 % of the
    time of a 9-block generator on 1024² pixels, and 10 % on 256². The peak grows by a fifth. Nothing without glibc.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    for option in (-3, -1):  # M_MMAP_THRESHOLD and M_TRIM_THRESHOLD, in bytes
        mallopt(option, 2**31 - 1)
