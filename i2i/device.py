"""Choice of the device and the precision, autocast, and random numbers on a device."""

import ctypes
import errno
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Literal

from i2i.errors import ConfigError

if TYPE_CHECKING:
    import torch

Precision = Literal["auto", "float32", "bfloat16"]
_OUT_OF_MEMORY = re.compile(
    r"can't allocate memory|cannot allocate memory|out of memory|not enough memory|ALLOC_FAILED|bad_alloc|"
    # oneDNN, which computes convolutions on a CPU, has these words only. An unsupported operation names a descriptor.
    r"could not (create|execute) a primitive(?! descriptor)|could not create a memory object",
    re.IGNORECASE,
)


def resolve_device(name: str) -> "torch.device":
    """Return the device of a name, such as "cuda:1".

    Args:
        name: "auto", or the name of a torch device. "auto" selects CUDA if available, else MPS, else the CPU.

    Raises:
        ConfigError: torch does not know the name, or this machine does not have the device.
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


def resolve_dtype(name: Precision, device: "torch.device") -> "torch.dtype":
    """Return the dtype that convolutions compute in.

    Args:
        name: "float32", "bfloat16" or "auto". "auto" selects bfloat16 on CUDA devices from Ampere on and on CPUs with
            AMX or AVX-512 BF16, else float32.
        device: the device that computes.

    Raises:
        ConfigError: unknown name.
    """
    import torch

    if name not in ("auto", "float32", "bfloat16"):
        raise ConfigError(f"precision is {name!r}; it must be auto, float32 or bfloat16.")
    if name != "auto":
        return torch.bfloat16 if name == "bfloat16" else torch.float32
    has_fast_bfloat16 = False
    if device.type == "cuda":
        has_fast_bfloat16 = torch.cuda.get_device_capability(device) >= (8, 0)
    elif device.type == "cpu":
        has_fast_bfloat16 = cpu_has_fast_bfloat16()
    return torch.bfloat16 if has_fast_bfloat16 else torch.float32


def cpu_has_fast_bfloat16() -> bool:
    """Return whether the CPU has AMX or AVX-512 BF16. Return False if torch cannot say.

    This is the only use of these private functions of torch. It was written against torch 2.15.
    """
    import torch

    try:
        return torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    except AttributeError:
        return False


def is_out_of_memory(error: Exception) -> bool:
    """Return whether an error reports that the memory of a device is exhausted."""
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    if isinstance(error, OSError):  # of fork or mmap
        return error.errno == errno.ENOMEM
    return isinstance(error, RuntimeError) and bool(_OUT_OF_MEMORY.search(str(error)))


def out_of_memory_reason(error: Exception) -> str:
    """Return the first line of an error for which ``is_out_of_memory`` holds, without a full stop."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200].rstrip(".")


def autocast(device: "torch.device", dtype: "torch.dtype") -> AbstractContextManager[None]:
    """Return an autocast context for ``dtype``; it has no effect for float32 and float64."""
    import torch

    return torch.autocast(device.type, dtype, enabled=dtype in (torch.bfloat16, torch.float16))


def rng_state(device: "torch.device") -> "dict[str, torch.Tensor | None]":
    """Return the states of the random generators of the CPU ("rng") and of a CUDA device ("cuda_rng", else None)."""
    import torch

    cuda_rng = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
    return {"rng": torch.get_rng_state(), "cuda_rng": cuda_rng}


def set_rng_state(state: "Mapping[str, torch.Tensor | None]", device: "torch.device") -> None:
    """Restore the states that ``rng_state`` returned, those of CUDA only if they exist and ``device`` is CUDA."""
    import torch

    cpu_rng = state["rng"]
    assert cpu_rng is not None
    torch.set_rng_state(cpu_rng)
    cuda_rng = state["cuda_rng"]
    if cuda_rng is not None and device.type == "cuda":
        torch.cuda.set_rng_state(cuda_rng, device)


@contextmanager
def fork_rng_with_seed(device: "torch.device", seed: int) -> Iterator[None]:
    """Seed the generators of the CPU and of ``device`` inside the context, and restore their states afterwards."""
    import torch

    backend = getattr(torch, device.type) if device.type in ("cuda", "mps") else None
    device_args = (device,) if device.type == "cuda" else ()
    cpu_state = torch.get_rng_state()
    device_state = backend.get_rng_state(*device_args) if backend else None
    try:
        torch.default_generator.manual_seed(seed)
        if backend and device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        elif backend:
            backend.manual_seed(seed)
        yield
    finally:
        torch.set_rng_state(cpu_state)
        if backend:
            backend.set_rng_state(device_state, *device_args)


def disable_malloc_trim() -> None:
    """Make glibc's malloc keep freed memory for later allocations instead of returning it to the system.

    By default, large CPU tensors are mapped anew for each allocation, and the kernel clears their pages: measured, this
    takes 38 % of the time of a 9-block generator at 1024² pixels, and 10 % at 256². Keeping the memory raises the peak
    by a fifth. Does nothing without glibc.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return
    for option in (-3, -1):  # M_MMAP_THRESHOLD and M_TRIM_THRESHOLD, in bytes
        mallopt(option, 2**31 - 1)
