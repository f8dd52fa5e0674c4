"""Rows on disk, so that the outcome of a conversion of millions of files takes no memory."""

import pickle
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any, overload


class RowsOnDisk(Sequence[Any]):
    """A sequence that only grows, kept in a temporary file without a name."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the sequence)
        self._count = 0

    def append(self, row: Any) -> None:
        self._file.seek(0, 2)
        pickle.dump(row, self._file)
        self._count += 1

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Any]:
        position = 0
        for _ in range(self._count):
            self._file.seek(position)
            row = pickle.load(self._file)
            position = self._file.tell()
            yield row

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        return list(self)[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]
