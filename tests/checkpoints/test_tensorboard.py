import io
import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from i2i.checkpoints.log import MetricsLog, read_log
from i2i.checkpoints.tensorboard import EventWriter, scalar_tag


def read_events(folder: Path) -> Any:
    return EventAccumulator(str(folder), size_guidance={"images": 0, "scalars": 0}).Reload()


@pytest.mark.parametrize(
    ("name", "tag"),
    [
        ("G/adversarial", "losses/G/adversarial"),
        ("D_A/adversarial", "losses/D_A/adversarial"),
        ("A to B/hidden_gain", "training doctor/AtoB/hidden_gain"),
        ("B to A/change", "training doctor/BtoA/change"),
        ("samples/diversity", "training doctor/sample/diversity"),
        ("sample/kid", "validation/sample/kid"),
        ("BtoA/kid", "validation/BtoA/kid"),
        ("adversarial.augment/p", "schedule/adversarial.augment/p"),
        ("epoch", "schedule/epoch"),
    ],
)
def test_each_number_has_a_group_and_one_spelling_of_directions(name: str, tag: str) -> None:
    assert scalar_tag(name) == tag


def test_the_losses_come_first_and_the_log_keeps_its_names(tmp_path: Path) -> None:
    row = {"lr": 0.1, "time": 1.7e9, "G/l1": 0.5, "AtoB/kid": 0.2, "A to B/change": 0.3, "alarm": "words"}
    log = MetricsLog(tmp_path, 0)
    log.log(1, row)
    log.close()
    tags = read_events(tmp_path).Tags()["scalars"]
    assert sorted(tags) == ["losses/G/l1", "schedule/lr", "training doctor/AtoB/change", "validation/AtoB/kid"]
    assert read_log(tmp_path) == [{"step": 1, **row}]


def test_images_are_small_jpegs_at_steps_that_grow_further_apart(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 2048, 3), dtype=np.uint8)
    log = MetricsLog(tmp_path, 0)
    for step in (1, *range(10, 401, 10)):
        log.log_image(step, pixels)
    log.close()
    events = read_events(tmp_path).Images("samples/grid")
    steps = [event.step for event in events]
    assert steps[:12] == [1, *range(10, 120, 10)]
    assert len(steps) < 26
    assert all(10 * after >= 11 * before for before, after in pairwise(steps))
    image = Image.open(io.BytesIO(events[0].encoded_image_string))
    assert (image.format, image.size) == ("JPEG", (1024, 32))


def test_a_full_disk_is_an_error_of_the_next_event_and_prints_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", printed.append)
    writer = EventWriter(tmp_path, 0)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tensorboard.summary.writer.record_writer.RecordWriter.write", full)
    writer.write_scalars(1, {"loss": 0.5})
    for thread in threading.enumerate():
        if type(thread).__module__.startswith("tensorboard"):
            thread.join(10)
    with pytest.raises(OSError, match="No space left"):
        writer.write_scalars(2, {"loss": 0.5})
    assert not printed
    other = threading.Thread(target=full)
    other.start()
    other.join()
    assert [args.thread for args in printed] == [other]
