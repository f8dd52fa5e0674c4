"""What a training makes of its translators along the way: sample grids, validations and snapshots."""

import logging
import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from i2i.checkpoints.log import MetricsLog
from i2i.checkpoints.tracking import Tracker, require_tracker
from i2i.device import autocast, fork_rng_with_seed
from i2i.diagnostics import nonfinite_names
from i2i.distributed import alone
from i2i.networks.norm_spots import highest_spot_share, record_spot_shares
from i2i.training.batches import to_device
from i2i.training.progress import format_losses
from i2i.training.ranks import NoLog
from i2i.training.samples import inference_copies, save_sample_grid
from i2i.training.validator import Validator

if TYPE_CHECKING:
    from i2i.training.trainer import Trainer

logger = logging.getLogger(__name__)


class TrainingOutputs:
    """Writes the outputs of a trainer to the folder of its run. They change no random number of the training.

    Args:
        trainer: whose translators are used.
    """

    def __init__(self, trainer: "Trainer") -> None:
        self.trainer = weakref.proxy(trainer)  # no cycle: a trainer that is dropped unlocks its run at once
        self._sample_batch: tuple[Tensor, ...] = ()
        self._tracker: Tracker | None = None
        if trainer.is_main:
            require_tracker(trainer.config.track)

    @contextmanager
    def tracking(self) -> Iterator[None]:
        """Start or continue the tracked run of --track, and end it at the end. Rank 0 tracks alone."""
        trainer = self.trainer
        if trainer.is_main and trainer.config.track != "off":
            self._tracker = Tracker(trainer.config.track, trainer.run.path, trainer.info.settings)
        try:
            yield
        finally:
            if self._tracker is not None:
                self._tracker.close()
            self._tracker = None

    def open_log(self) -> MetricsLog:
        """Return the log of the training from its present step on; that of other ranks than 0 writes nothing."""
        trainer = self.trainer
        return MetricsLog(trainer.run.path, trainer.step, self._tracker) if trainer.is_main else NoLog()

    @torch.no_grad()
    def save_samples(self, log: MetricsLog) -> None:
        """Save a grid of samples of the fixed batch, log their metrics and check their health."""
        trainer = self.trainer
        method, device, step = trainer.method, trainer.device, trainer.step
        with alone(), fork_rng_with_seed(device, 0):
            translators = inference_copies(method, trainer.translators())
            self._sample_batch = self._sample_batch or trainer.dataset.sample_batch(method.num_samples)
            batch = to_device(self._sample_batch, device)
            with ExitStack() as recording, autocast(device, trainer.dtype):
                shares = {
                    name: recording.enter_context(record_spot_shares(network)) for name, network in translators.items()
                }
                columns = method.sample_images(batch, translators)
                metrics = method.metrics(batch, columns)
                if trainer.dataset.formats[0].labels is not None:
                    metrics.pop("psnr/input", None)  # classes are no levels
                if metrics:
                    log.log(step, metrics)
                    logger.info("step %d: %s", step, format_losses(metrics))
                trainer.monitor.check_samples(method.health_views(batch, columns, translators), step, log)
            spot_shares = {name: highest_spot_share(recorded) for name, recorded in shares.items()}
            trainer.monitor.check_generators(spot_shares, step, log)
        save_sample_grid(columns, trainer.dataset.config.size, trainer.run, step, log, trainer.dataset.formats)

    def validate(self, validator: Validator, log: MetricsLog) -> None:
        """Measure the translators, and save them if they are the best so far."""
        trainer = self.trainer
        best_before = validator.best
        with alone(), fork_rng_with_seed(trainer.device, 0), autocast(trainer.device, trainer.dtype):
            translators = inference_copies(trainer.method, trainer.translators())
            is_best = validator.validate(translators, partial(to_device, device=trainer.device), trainer.step, log)
        if not is_best:
            return
        is_finite = not nonfinite_names(trainer.method.state_dict())
        if is_finite and trainer.checkpointer.save_best(trainer.model_file(validator.best)):
            trainer.save_in_background()  # the state must refer to the best model that was saved
        else:
            validator.best = best_before

    def save_snapshot(self) -> None:
        """Save a copy of the translators that later checkpoints do not replace."""
        trainer = self.trainer
        if not nonfinite_names(trainer.method.state_dict()):
            trainer.checkpointer.save_snapshot(trainer.step, trainer.model_file())
