"""Many requests at once to the HTTP API of the demo, good and bad ones; then it must answer as before."""

import io
import os
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
from PIL import Image

from i2i.demo.limits import Limits
from i2i.demo.model_registry import ModelRegistry
from i2i.demo.server import Server
from i2i.demo.uploads import UploadStore
from i2i.images import encode
from tests.conftest import random_image
from tests.demo.conftest import write_model
from tests.faults.attack import WRONG, Attack, Failure
from tests.faults.damage import damage
from tests.faults.operations import Shared

CROWD = 60  # requests at once
PNG = encode(random_image(5, 48, 36), ".png")


class Crowd:
    """Good photos, damaged ones, wrong fields, strange names and other methods, for the HTTP API of a running server.

    Args:
        server: with a model "both", and a limit of 1 MB for uploads.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self.expected = self._pixels(self._translate(PNG))

    def _translate(self, image: bytes, name: str = "photo.png", **fields: str) -> httpx.Response:
        data = {"model": "both", **fields}
        return httpx.post(f"{self.server.url}translate", files={"image": (name, image)}, data=data, timeout=120)

    def _pixels(self, answer: httpx.Response) -> np.ndarray:
        with Image.open(io.BytesIO(answer.content)) as image:
            return np.asarray(image)

    def _request(self, rng: random.Random) -> tuple[str, bool, httpx.Response | Exception]:
        """Send a request. Return what it was, whether it is good, and the answer."""
        kind = rng.choice(("good", "good", "good", "damaged", "field", "name", "method", "path", "large", "cut"))
        try:
            if kind == "good":
                return kind, True, self._translate(PNG)
            if kind == "damaged":
                return kind, False, self._translate(damage(PNG, rng)[0])
            if kind == "field":
                field = rng.choice(("model", "direction", "format", "quality", "strength", "seed"))
                value = rng.choice(("", "x" * 5000, "-1", "nan", "../..", "1e999", "\u202e", "null"))
                return kind, False, self._translate(PNG, **{field: value})
            if kind == "name":
                name = rng.choice(("../../a.png", "a" * 3000 + ".png", "é\u202e.png", "con.png", "a.exe", "%00.png"))
                return kind, False, self._translate(PNG, name)
            if kind == "large":
                return kind, False, self._translate(bytes(1_200_000))
            if kind == "cut":
                headers = {"Content-Type": "multipart/form-data; boundary=x"}
                content = b"--x\r\nContent-Disposition: form-data; name=image"
                return (
                    kind,
                    False,
                    httpx.post(f"{self.server.url}translate", content=content, headers=headers, timeout=60),
                )
            url = self.server.url + (
                rng.choice(("translate", "models", "..%2f..%2fetc/passwd", "file=/etc/passwd", "%00"))
            )
            return kind, False, httpx.request(rng.choice(("GET", "PUT", "DELETE", "PATCH")), url, timeout=60)
        except httpx.HTTPError as error:
            return kind, False, error

    def attack(self, rng: random.Random) -> Failure | None:
        """Send all requests at once, and look at each answer and at what is left."""
        before = set(self.server.store.files.rglob("*"))
        seeds = [rng.random() for _ in range(CROWD)]
        with ThreadPoolExecutor(CROWD) as pool:
            answers = list(pool.map(lambda seed: self._request(random.Random(seed)), seeds))
        for kind, good, answer in answers:
            if isinstance(answer, Exception):
                if kind != "large":  # the server may close the connection before it has read all
                    return Failure(WRONG, f"{kind}: {type(answer).__name__} {answer}")
            elif answer.status_code >= 500 and answer.status_code != 503:
                return Failure(WRONG, f"{kind}: {answer.status_code} {answer.text[:300]}")
            elif b"root:" in answer.content[:2000]:
                return Failure(WRONG, f"{kind}: the content of a file of the system")
            elif good and answer.status_code == 200 and not np.array_equal(self._pixels(answer), self.expected):
                return Failure(WRONG, "another image")
        after = self._translate(PNG)
        if after.status_code != 200 or not np.array_equal(self._pixels(after), self.expected):
            return Failure(WRONG, f"after the crowd: {after.status_code} {after.text[:300]}")
        if threading.active_count() > 3 * CROWD:
            return Failure(WRONG, f"{threading.active_count()} threads remain")
        left = [path for path in self.server.store.files.rglob("*") if path.is_file() and path not in before]
        if left:
            return Failure(WRONG, f"uploads remain: {left[:3]}")
        return None


class Demo(Attack):
    """Sends 60 requests at once to a server."""

    name = "demo"
    runs_in_child = True

    def __init__(self, folder: Path, shared: Shared) -> None:
        super().__init__(folder, shared)
        write_model(folder / "checkpoints" / "both")
        os.environ["I2I_CHECKPOINTS"] = str(folder / "checkpoints")
        limits = Limits(max_pixels=2_000_000, max_upload_bytes=1_000_000, max_queue=8, max_files=5)
        self.server = Server(ModelRegistry("cpu", 2), UploadStore(limits)).__enter__()
        self.crowd = Crowd(self.server)

    def close(self) -> None:
        self.server.__exit__()

    def round(self, index: int, rng: random.Random, folder: Path) -> Failure | None:
        return self.crowd.attack(rng)
