"""Python processes that are forked from one that has imported torch, which takes seconds, and nothing of i2i.

``start("-c", code)`` and ``start("-m", module, *arguments)`` run what ``python`` would run with these arguments, in a
process of its own. Where the system is not Linux, Python is started anew.
"""

import atexit
import ctypes
import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SET_CHILD_SUBREAPER = 36  # of prctl(2)
MAX_REQUEST = 2**17  # bytes


class ForkedProcess:
    """A child of this process, with the methods of ``subprocess.Popen`` that tests need.

    Attributes:
        pid: its number.
        stdout, stderr: its output, as text.
        returncode: the exit code, minus the number of the signal that ended it, or None while it runs.
    """

    def __init__(self, arguments: tuple[str, ...], cwd: Path, env: Mapping[str, str], new_session: bool) -> None:
        (out, out_end), (err, err_end) = os.pipe(), os.pipe()
        request = {"arguments": arguments, "cwd": str(cwd), "env": dict(env), "new_session": new_session}
        self.pid = _template().fork(json.dumps(request).encode(), [out_end, err_end])
        os.close(out_end)
        os.close(err_end)
        self.stdout, self.stderr = os.fdopen(out), os.fdopen(err)
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, or None while the process runs."""
        if self.returncode is None:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            self.returncode = os.waitstatus_to_exitcode(status) if ended else None
        return self.returncode

    def wait(self, timeout: float = 300.0) -> int:
        """Wait until the process ends, and return its exit code.

        Raises:
            TimeoutError: it still runs after so many seconds.
        """
        if self.returncode is None:
            descriptor = os.pidfd_open(self.pid)
            ended = select.select([descriptor], [], [], timeout)[0]
            os.close(descriptor)
            if not ended:
                raise TimeoutError(f"process {self.pid} did not end within {timeout:g} seconds")
        code = self.poll()
        assert code is not None
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float = 300.0) -> tuple[str, str]:
        """Wait until the process ends, and return its output. It is killed after so many seconds."""
        timer = threading.Timer(timeout, self.kill)
        timer.start()
        with self.stdout, self.stderr, ThreadPoolExecutor() as readers:
            out, err = readers.map(lambda file: file.read(), (self.stdout, self.stderr))
        self.wait(timeout)
        timer.cancel()
        return out, err


def start(
    *arguments: str, cwd: Path | None = None, env: Mapping[str, str] | None = None, new_session: bool = False
) -> "ForkedProcess | subprocess.Popen[str]":
    """Run ``python`` with these arguments: "-c" and code, or "-m" and a module; then its own.

    Args:
        arguments: of Python.
        cwd: the working directory; that of this process by default.
        env: all environment variables; those of this process by default.
        new_session: whether the process leads a session and a group of processes.
    """
    cwd, env = cwd or Path.cwd(), os.environ if env is None else env
    if sys.platform == "linux":
        return ForkedProcess(arguments, cwd, env, new_session)
    return subprocess.Popen(
        [sys.executable, *arguments], cwd=cwd, env=env, start_new_session=new_session, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def run(*arguments: str, timeout: float = 300.0, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run ``python`` with these arguments to its end, at most so many seconds. ``options`` are those of ``start``."""
    process = start(*arguments, **options)
    out, err = process.communicate(timeout)
    assert process.returncode is not None
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)


class _Template:
    """The process that others are forked from."""

    def __init__(self) -> None:
        self.socket, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with other:
            command = [sys.executable, "-m", "tests.forked_process", str(other.fileno())]
            self.process = subprocess.Popen(command, cwd=ROOT, pass_fds=[other.fileno()])

    def fork(self, request: bytes, descriptors: list[int]) -> int:
        """Fork a process with these descriptors as its output. Return its number."""
        prctl = ctypes.CDLL(None).prctl
        prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # its parent ends at once, and this process becomes the parent
        try:
            socket.send_fds(self.socket, [request], descriptors)
            return int(self.socket.recv(64))
        finally:
            prctl(SET_CHILD_SUBREAPER, 0, 0, 0, 0)

    def close(self) -> None:
        self.socket.close()
        self.process.wait()


@cache
def _template() -> _Template:
    template = _Template()
    atexit.register(template.close)
    return template


def _serve(connection: socket.socket) -> None:
    """Fork a process for each request until this one is such a process."""
    while True:
        request, descriptors, _, _ = socket.recv_fds(connection, MAX_REQUEST, 2)
        if not request:
            os._exit(0)
        reading, writing = os.pipe()
        between = os.fork()
        if between == 0:
            process = os.fork()
            if process == 0:
                for descriptor in (reading, writing, connection.detach()):
                    os.close(descriptor)
                _prepare(json.loads(request), descriptors)
                return
            os.write(writing, b"%d" % process)
            os._exit(0)
        os.waitpid(between, 0)
        connection.send(os.read(reading, 64))
        for descriptor in (reading, writing, *descriptors):
            os.close(descriptor)


def _prepare(request: dict[str, Any], descriptors: list[int]) -> None:
    """Give this process the session, output, environment, folder and arguments of a request."""
    if request["new_session"]:
        os.setsid()
    descriptors.insert(0, os.open(os.devnull, os.O_RDONLY))
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    sys.path[:0] = ["", *filter(None, request["env"].get("PYTHONPATH", "").split(os.pathsep))]
    sys.argv = request["arguments"]


def _run() -> int:
    """Run the module or the code of ``sys.argv`` as the main program. Return its exit code."""
    option, program, *arguments = sys.argv
    sys.argv = [option, *arguments]
    try:
        if option == "-m":
            runpy.run_module(program, run_name="__main__", alter_sys=True)
        else:
            exec(compile(program, "<string>", "exec"), {"__name__": "__main__"})
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _main() -> None:
    connection = socket.socket(fileno=int(sys.argv[1]))
    import torch  # noqa: F401

    gc.freeze()  # a collection would copy the memory that the processes share
    _serve(connection)
    code = _run()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # to take torch apart would take most of a second


if __name__ == "__main__":
    _main()
