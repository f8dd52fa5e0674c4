import errno
import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from i2i.device import cpu_has_fast_bfloat16, is_out_of_memory, resolve_dtype

CPU_FEATURES = Path("/proc/cpuinfo")


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is a function of glibc")
def test_disable_malloc_trim_lets_malloc_reuse_freed_memory_without_new_page_faults() -> None:
    code = """
import resource
import numpy as np
from i2i.device import disable_malloc_trim

def count_page_faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(8):
        np.empty(48 << 20, np.uint8)[:: 4096] = 1
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

print(count_page_faults())
disable_malloc_trim()
count_page_faults()
print(count_page_faults())
"""
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    faults_before, faults_after = map(int, process.stdout.split())
    assert faults_before > 100
    assert faults_after < faults_before / 10


@pytest.mark.skipif(not CPU_FEATURES.exists(), reason="reads the features of the CPU from Linux")
def test_a_cpu_has_fast_bfloat16_if_linux_lists_its_features() -> None:
    """Written against torch 2.15. It fails if torch renames the private functions, on a CPU that has the features."""
    words = set(CPU_FEATURES.read_text().split())
    assert cpu_has_fast_bfloat16() == bool(words & {"amx_tile", "avx512_bf16"})


def test_precision_is_float32_if_torch_cannot_list_the_features_of_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported")
    assert not cpu_has_fast_bfloat16()
    assert resolve_dtype("auto", torch.device("cpu")) == torch.float32


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RuntimeError("could not create a primitive"), True),  # oneDNN
        (RuntimeError("could not execute a primitive"), True),
        (RuntimeError("could not create a primitive descriptor for a convolution forward primitive"), False),
        (RuntimeError("std::bad_alloc"), True),
        (RuntimeError("unable to mmap 43697616 bytes from file <w.safetensors>: Cannot allocate memory (12)"), True),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), True),
        (OSError(errno.ENOSPC, "No space left on device"), False),
        (MemoryError(), True),
        (ValueError("out of memory"), False),
    ],
)
def test_the_errors_of_all_libraries_for_exhausted_memory_are_known(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) is expected
