"""A worker of a large conversion: loads the model once, then converts chunks of files."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from i2i.convert.conversion import Conversion, decoder_pool, load_model
from i2i.convert.distributed.catalogue import SourceFile
from i2i.convert.distributed.chunks import Chunk, Converted
from i2i.convert.distributed.copies import DownloadingReader
from i2i.convert.distributed.destination import Destination, open_destination
from i2i.convert.distributed.results import TRANSFERS, ResultWriter
from i2i.convert.options import ConvertOptions
from i2i.convert.plan import Job, Plan
from i2i.convert.shared_ranges import PlanRanges
from i2i.convert.translation import Translation, reader_for
from i2i.errors import I2IError
from i2i.images.opening import read_head
from i2i.images.sample_images import may_have_other_samples
from i2i.images.value_range import SampleSummary, ValueRanges
from i2i.storage import Storage


@dataclass(frozen=True)
class Description:
    """What the results of a worker depend on besides the files.

    Attributes:
        settings_hash: of model and settings.
        known: ranges that the user or the model states, by sample type.
    """

    settings_hash: str
    known: ValueRanges


class Worker:
    """Converts chunks of files.

    Args:
        options: of the conversion, with a file format.
        out: the destination, a path or an address.
        takes_channels: whether the images have other channels than pictures, see ``with_format``.
    """

    def __init__(self, options: ConvertOptions, out: str, *, takes_channels: bool) -> None:
        self._options = options
        self._destination: Destination = open_destination(out)
        self._reader = decoder_pool(options)
        self._reader.start()
        translator = load_model(options, takes_channels=takes_channels)
        if options.compile:
            translator.compile()
        self._conversion = Conversion(options, Plan(), [], translator, self._reader)
        self._storages: dict[str, Storage] = {}

    def close(self) -> None:
        """End the decoder processes."""
        self._reader.close()

    def describe(self) -> Description:
        """Return what the results depend on besides the files."""
        ranges = getattr(self._conversion.translator, "value_ranges", {})
        return Description(self._conversion.settings_hash, ranges)

    def measure(self, files: Sequence[SourceFile]) -> list[tuple[int, SampleSummary]]:
        """Return what the samples of files hold whose type does not fix the range, with the index of the file."""
        with self._local_copies(files) as copies, ThreadPoolExecutor(TRANSFERS, "i2i-measure") as pool:

            def measure(index: int) -> SampleSummary | None:
                try:
                    path = copies.fetch(index)
                    return self._reader.measure(path) if may_have_other_samples(read_head(path)) else None
                except I2IError:
                    return None  # the conversion reports it

            found = list(pool.map(measure, range(len(files))))
        return [(index, summary) for index, summary in enumerate(found) if summary is not None]

    def convert(self, chunk: Chunk) -> Converted:
        """Convert the files of a chunk. What earlier attempts have written is kept. A bad file stops no other."""
        converted = Converted()
        if chunk.attempts:
            self._keep_earlier_results(chunk, converted)
        done = {index for index, _ in converted.rows}
        indices = [index for index in range(len(chunk.tasks)) if index not in done]
        with self._local_copies([chunk.tasks[index].source for index in indices]) as copies:
            self._convert(chunk, dict(zip(copies.paths, indices, strict=True)), copies, converted)
        return converted

    def _keep_earlier_results(self, chunk: Chunk, converted: Converted) -> None:
        self._destination.remove_unfinished([task.output for task in chunk.tasks])
        rows = {row["output"]: row for row in self._destination.read_parts(chunk.prefix)}
        for index, task in enumerate(chunk.tasks):
            row = rows.get(task.output)
            if row is not None and self._destination.holds(task.output, row):
                converted.rows.append((index, row))

    def _convert(
        self, chunk: Chunk, index_of: Mapping[Path, int], copies: DownloadingReader, converted: Converted
    ) -> None:
        translator = self._conversion.translator
        jobs = {Job(path, Path(self._destination.describe(chunk.tasks[index].output))): index
                for path, index in index_of.items()}  # fmt: skip
        known = getattr(translator, "value_ranges", {})
        by_source = {path: chunk.ranges.get(chunk.tasks[index].source.root, known) for path, index in index_of.items()}
        results = ResultWriter(chunk, self._destination)
        translation = Translation(
            translator,
            reader_for(copies, translator),
            PlanRanges(by_source, known=known),
            self._conversion.writer,
            is_stated=self._options.value_range is not None,
            batch_size=self._options.batch_size,
            max_side=self._options.max_side,
        )
        outcome = translation.run(list(jobs), lambda job, data: results.add(jobs[job], data))
        results.commit()
        if outcome.stopped:
            raise KeyboardInterrupt
        converted.rows += results.rows
        converted.failed += results.failed
        address_of = {str(path): chunk.tasks[index].source.address for path, index in index_of.items()}
        for job, reason in outcome.failed:
            converted.failed.append((jobs[job], reason.replace(str(job.source), address_of[str(job.source)])))
        converted.notices += [(address_of[str(path)], text) for path, text in outcome.notices]
        converted.unusual += [(address_of[str(path)], found) for path, found in translation.ranged.unusual.items()]

    @contextmanager
    def _local_copies(self, files: Sequence[SourceFile]) -> Iterator[DownloadingReader]:
        """Yield the paths of files. Those at addresses are downloaded in advance, and removed at the end."""
        with tempfile.TemporaryDirectory(prefix="i2i-") as folder:
            copies = DownloadingReader(
                self._reader, [self._path_of(file, Path(folder) / str(i)) for i, file in enumerate(files)]
            )
            pool = ThreadPoolExecutor(TRANSFERS, "i2i-download")
            try:
                for file, path in zip(files, copies.paths, strict=True):
                    if file.is_stored:
                        copies.downloads[path] = pool.submit(self._download, file, path)
                yield copies
            finally:
                pool.shutdown(cancel_futures=True)

    def _path_of(self, file: SourceFile, folder: Path) -> Path:
        return folder / file.relative if file.is_stored else Path(file.address)

    def _download(self, file: SourceFile, path: Path) -> None:
        protocol = file.address.partition("://")[0]
        if protocol not in self._storages:
            self._storages[protocol] = Storage(file.address)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._storages[protocol].download(file.address, path)
