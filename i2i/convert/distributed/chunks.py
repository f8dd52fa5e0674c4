"""What workers are given and what they return: chunks of files, and what became of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from i2i.convert.distributed.catalogue import SourceFile
from i2i.convert.distributed.destination import Record
from i2i.images.value_range import SampleSummary, ValueRanges


@dataclass(frozen=True)
class Task:
    """A file to convert.

    Attributes:
        source: the file.
        output: path of its result below the destination, with slashes.
        fingerprint: what the result depends on; None if the source does not exist.
    """

    source: SourceFile
    output: str
    fingerprint: Record | None = None


@dataclass(frozen=True)
class Chunk:
    """Files that a worker converts together.

    Attributes:
        name: of the parts of the manifest that it writes; the parts of earlier attempts begin with ``prefix``.
        prefix: see ``name``.
        tasks: the files.
        attempts: how often a worker was lost that had this chunk.
        ranges: black and white by sample type, for each source.
    """

    name: str
    prefix: str
    tasks: tuple[Task, ...]
    attempts: int = 0
    ranges: Mapping[int, ValueRanges] = field(default_factory=dict)


@dataclass
class Converted:
    """What became of a chunk.

    Attributes:
        rows: lines of the manifest about the results, with the index of their task.
        failed: index of the task, and the reason.
        notices: a file, and a sentence about what of it is missing in its result.
        unusual: files whose samples do not fit their range.
    """

    rows: list[tuple[int, Record]] = field(default_factory=list)
    failed: list[tuple[int, str]] = field(default_factory=list)
    notices: list[tuple[str, str]] = field(default_factory=list)
    unusual: list[tuple[str, SampleSummary]] = field(default_factory=list)
