import json
from pathlib import Path

from i2i.checkpoints.inventory import best_result, folder_size
from i2i.checkpoints.model_file import ModelFile, save_model_file
from i2i.checkpoints.model_info import BestMetric, ModelInfo


def write_log(folder: Path, *rows: dict[str, float]) -> None:
    (folder / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_the_best_result_is_that_of_the_best_model_file(tmp_path: Path) -> None:
    best = BestMetric("psnr", 24.5, 300, "test", (4,))
    info = ModelInfo(size=16, directions=("AtoB",), generator={"network": "resnet"}, best=best)
    save_model_file(tmp_path / "best.safetensors", ModelFile(info, {}))
    write_log(tmp_path, {"step": 1, "AtoB/kid": 0.1})
    assert best_result(tmp_path) == best.to_json()


def test_the_best_result_of_a_log_is_the_mean_over_the_directions(tmp_path: Path) -> None:
    write_log(
        tmp_path,
        {"step": 1, "AtoB/kid": 0.3, "BtoA/kid": 0.1, "G/lpips": 0.01},
        {"step": 2, "AtoB/kid": 0.2, "BtoA/kid": 0.1},
        {"step": 3, "AtoB/kid": 0.4, "BtoA/kid": 0.1},
    )
    assert best_result(tmp_path) == {"metric": "kid", "value": (0.2 + 0.1) / 2, "steps": 2}


def test_the_best_psnr_is_the_highest(tmp_path: Path) -> None:
    write_log(tmp_path, {"step": 1, "AtoB/psnr": 20.0}, {"step": 2, "AtoB/psnr": 21.0}, {"step": 3, "AtoB/psnr": 19.0})
    assert best_result(tmp_path) == {"metric": "psnr", "value": 21.0, "steps": 2}


def test_a_run_without_validations_has_no_best_result(tmp_path: Path) -> None:
    assert best_result(tmp_path) is None
    write_log(tmp_path, {"step": 1, "G/lpips": 0.3})
    assert best_result(tmp_path) is None


def test_the_size_leaves_out_the_targets_of_links(tmp_path: Path) -> None:
    run, outside = tmp_path / "run", tmp_path / "outside"
    for folder in (run / "samples", outside):
        folder.mkdir(parents=True)
        (folder / "a").write_bytes(b"12345")
    (run / "link").symlink_to(outside)
    assert folder_size(run) == 5
