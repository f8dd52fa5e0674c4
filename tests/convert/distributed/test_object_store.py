"""Conversions from and to a local server that speaks S3."""

import importlib.util
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from i2i.convert.distributed.run import convert_distributed
from i2i.storage import Storage
from tests.conftest import write_random_images
from tests.convert.distributed.test_run import contents, options, plain

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("shared_decoders"),
    pytest.mark.skipif(
        any(importlib.util.find_spec(name) is None for name in ("moto", "s3fs", "flask")), reason="needs moto and s3fs"
    ),
]


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a bucket."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    name = f"photos-{uuid.uuid4().hex}"  # the servers of a process share their buckets
    s3fs.S3FileSystem().mkdir(name)
    yield f"s3://{name}"
    server.stop()
    s3fs.S3FileSystem.clear_instance_cache()


def test_a_bucket_is_converted_into_a_bucket_and_a_rerun_finds_all_up_to_date(bucket: str, tmp_path: Path) -> None:
    for path in write_random_images(tmp_path / "in", 5):
        Storage(bucket).write(f"in/sub/{path.name}", path.read_bytes())
    Storage(bucket).write("in-other/x.png", b"another prefix")
    plain(tmp_path / "in", tmp_path / "plain")
    arguments = (options(), [f"{bucket}/in"], f"{bucket}/out")
    result = convert_distributed(*arguments)
    assert (len(result.converted), result.failed) == (5, [])
    names = [file.relative for file in Storage(f"{bucket}/out").list_files()]
    results = {name: Storage(f"{bucket}/out").read(name) for name in names if not name.startswith(".")}
    assert {name.removeprefix("sub/"): data for name, data in results.items()} == contents(tmp_path / "plain")
    assert {name for name in names if name.startswith(".")} == {".i2i.jsonl"}
    again = convert_distributed(*arguments)
    assert (len(again.converted), len(again.skipped)) == (0, 5)


def test_listing_reads_all_pages(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = Storage(bucket)
    for index in range(5):
        storage.write(f"in/{index}.png", b"x")
    call = storage._fs.call_s3
    monkeypatch.setattr(storage._fs, "call_s3", lambda name, **options: call(name, MaxKeys=2, **options))
    assert [file.relative for file in storage.list_files()] == [f"in/{index}.png" for index in range(5)]
