"""Files of earlier versions get the fields that came later, with the values that keep their samples as they were."""

from i2i.checkpoints.upgrade import add_later_fields, upgrade_config


def config(**task: object) -> dict[str, object]:
    return {"method": "regression", "data": {"data": "photos", "task": {"task": "denoise", "noise": "both", **task}}}


def test_a_run_from_before_noise_reduction_goes_on_without_it() -> None:
    for upgrade in (add_later_fields, upgrade_config):
        assert upgrade(config())["data"]["task"]["camera_noise_reduction"] == 0.0
        assert upgrade(config(camera_noise_reduction=0.5))["data"]["task"]["camera_noise_reduction"] == 0.5


def test_other_tasks_get_no_fields_of_denoising() -> None:
    content = {"method": "regression", "data": {"task": {"task": "dejpeg"}}}
    assert upgrade_config(content) == content
