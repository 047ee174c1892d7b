"""Runs stages as `python -m stages.NAME` does, without the seconds in which libraries are imported.

A server process imports the libraries once. Each stage runs in a fork of it, as module __main__.
"""

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Self

from tests.conftest import REPOSITORY

# Not the modules of the project: a checkpoint depends on which of them are loaded.
SERVER = """
import gc, json, os, resource, runpy, signal, sys
import matplotlib.backends.backend_agg, numpy, pandas, PIL.ImageCms, pydantic, yaml
import safetensors.torch, scipy.ndimage, skimage.metrics, tqdm
import torch._inductor, torch.distributed, torch.optim.swa_utils  # PyTorch imports the first late
gc.freeze()  # or each fork would copy all of their objects, when it looks for garbage as it ends

def poll(pid, options):
    ended, status = os.waitpid(pid, options)
    return os.waitstatus_to_exitcode(status) if ended else None

for line in sys.stdin:
    request = json.loads(line)
    if "pid" in request:
        print(json.dumps(poll(request["pid"], 0 if request["wait"] else os.WNOHANG)), flush=True)
        continue
    output = [os.open(path, os.O_WRONLY) for path in request["output"]]
    pid = os.fork()
    if pid:
        for number in output:
            os.close(number)
        print(pid, flush=True)
        continue
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, opened in enumerate([os.open(os.devnull, os.O_RDONLY), *output]):
        os.dup2(opened, number)
        os.close(opened)
    os.chdir(request["folder"])
    os.environ |= request["environment"]
    if request["file_size"]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (request["file_size"],) * 2)
    sys.argv[1:] = request["paths"]
    runpy.run_module("stages." + request["stage"], run_name="__main__", alter_sys=True)
    break
"""


class Server:
    """The process that stages are forked from."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVER],
            env={
                "PATH": "",
                "PYTHONPATH": str(REPOSITORY),
                "PYTHONDONTWRITEBYTECODE": "1",
                "PYTHONUNBUFFERED": "1",
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, **request: object) -> Any:
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.wait(timeout=60)
        self._process.stdout.close()


class Stage:
    """A stage that runs in a fork, with the methods of a Popen."""

    def __init__(
        self,
        server: Server,
        stage: str,
        *paths: str,
        folder: Path | None = None,
        file_size: int | None = None,
        **environment: str,
    ) -> None:
        """Run a stage in a folder; it can write files of up to `file_size` bytes."""
        self.returncode: int | None = None
        self._server = server
        # Pipes, since file_size would limit files.
        pipes = [os.pipe() for _ in range(2)]
        self._output = [os.fdopen(read, encoding="utf-8", errors="replace") for read, _ in pipes]
        self._pid: int = server.ask(
            stage=stage,
            paths=paths,
            folder=str(folder or Path.cwd()),
            file_size=file_size,
            environment=environment,
            output=[f"/proc/{os.getpid()}/fd/{write}" for _, write in pipes],
        )
        for _, write in pipes:
            os.close(write)

    def poll(self) -> int | None:
        return self._ended(wait=False)

    def communicate(self) -> tuple[str, str]:
        """Wait for the end; standard output and standard error."""
        with ThreadPoolExecutor() as pool:
            output, errors = pool.map(TextIOWrapper.read, self._output)
        for file in self._output:
            file.close()
        self._ended(wait=True)
        return output, errors

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self._pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _ended(self, wait: bool) -> int | None:
        if self.returncode is None:
            self.returncode = self._server.ask(pid=self._pid, wait=wait)
        return self.returncode
