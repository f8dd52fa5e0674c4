import platform
import subprocess
import sys

import pytest


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
