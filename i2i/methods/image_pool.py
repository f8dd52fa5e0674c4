"""A pool of past fakes for the discriminators of CycleGAN."""

from collections.abc import Iterator

import torch
from torch import Tensor

from i2i.distributed import all_rows, num_ranks, rank
from i2i.networks.batching import StepState


class ImagePool(StepState):
    """A pool of past fakes. ``query`` swaps some of the new fakes for pooled ones.

    Shrivastava et al. 2017; Zhu et al. 2017, section 4. The images are buffers, so that a training's state holds them.
    ``prepare_step`` draws the random numbers on the host; ``query`` never synchronises with the device.

    Args:
        capacity: number of images; 0 disables the pool.
        size: pixels a side of the images.
        channels: of the images.
    """

    pictures: Tensor  # (capacity, channels, size, size)
    slots: Tensor  # (N,), index of the pooled image that each fake of the step may be swapped with
    use_stored: Tensor  # (N,), whether the pooled image is returned in place of the fake
    store: Tensor  # (N,), whether the fake replaces the pooled image

    def __init__(self, capacity: int, size: int, channels: int = 3) -> None:
        super().__init__()
        self.capacity = capacity
        self.num_filled = 0
        self.register_buffer("pictures", torch.zeros(capacity, channels, size, size))
        for name, dtype in (("slots", torch.long), ("use_stored", torch.bool), ("store", torch.bool)):
            self.register_buffer(name, torch.zeros(0, dtype=dtype), persistent=False)

    def prepare_step(self, count: int) -> None:
        """Draw what ``query`` does with each of ``count`` fakes.

        Until the pool is full, every fake is stored and returned. Then, with p = ½, a fake is swapped with a random
        pooled image, which is returned instead.
        """
        if not self.capacity:
            return
        choices: list[tuple[int, bool, bool]] = []  # slot, use_stored, store
        for _ in range(count):
            if self.num_filled < self.capacity:
                choices.append((self.num_filled, False, True))
                self.num_filled += 1
            elif torch.rand(()) > 0.5:
                choices.append((int(torch.randint(self.capacity, ())), True, True))
            else:
                choices.append((0, False, False))
        slots, use_stored, store = zip(*choices, strict=True)
        self._set_buffer("slots", torch.tensor(slots))
        self._set_buffer("use_stored", torch.tensor(use_stored))
        self._set_buffer("store", torch.tensor(store))

    def _set_buffer(self, name: str, values: Tensor) -> None:
        """Write in place if the shape is that of the last step: a CUDA graph reads from the same memory."""
        buffer = self.get_buffer(name)
        if buffer.shape == values.shape:
            buffer.copy_(values)
        else:
            self.register_buffer(name, values.to(buffer.device), persistent=False)

    def query(self, fakes: Tensor) -> Tensor:
        """Return the images for the discriminator in place of ``fakes``, as drawn by the last ``prepare_step``.

        Args:
            fakes: (N, channels, size, size) in [-1, 1], the fakes of ``micro_batch``.
        """
        if not self.capacity:
            return fakes
        images = []
        for index, fake in self._fakes_of_all_ranks(fakes):
            slot = self.slots[index : index + 1]
            stored = self.pictures[slot][0]
            images.append(torch.where(self.use_stored[index], stored.to(fake.dtype), fake))
            replacement = torch.where(self.store[index], fake.to(stored.dtype), stored)
            self.pictures.index_copy_(0, slot, replacement[None])
        own = rank() * len(fakes) if num_ranks() > 1 else 0
        return torch.stack(images[own : own + len(fakes)])

    def _fakes_of_all_ranks(self, fakes: Tensor) -> Iterator[tuple[int, Tensor]]:
        """Yield the index in the batch and the image of each fake: every rank keeps the pool of all of them."""
        start = self.micro_batch.start if self.micro_batch else 0
        if num_ranks() == 1:
            yield from enumerate(fakes, start)
            return
        assert self.micro_batch is not None
        images_of_rank = self.micro_batch.total // num_ranks()
        start -= rank() * images_of_rank
        for index, fake in enumerate(all_rows(fakes)):
            owner, offset = divmod(index, len(fakes))
            yield owner * images_of_rank + start + offset, fake

    def get_extra_state(self) -> Tensor:
        return torch.tensor(self.num_filled)

    def set_extra_state(self, state: Tensor) -> None:
        self.num_filled = int(state)
