"""Takes batches of rows and writes them as they come; nothing is kept but the batch at hand."""

import gzip
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from typing import Any, BinaryIO, Final, Literal, Protocol, cast, get_args

from counter.errors import ExportError
from counter.exports.tables import Column, Kind, Row
from counter.exports.text import csv_head, csv_lines, json_lines

Format = Literal["csv", "jsonl", "parquet"]
FORMATS: Final[tuple[Format, ...]] = get_args(Format)
_LEVEL: Final = 6


class Writer(Protocol):
    """Writes rows."""

    def write(self, rows: Sequence[Row]) -> None:
        """Write some rows."""


@contextmanager
def writing(
    file: BinaryIO, format_: Format, columns: Sequence[Column], *, compressed: bool = False
) -> Generator[Writer]:
    """Yield what writes rows into a file in a format; on leaving, the file is complete.

    Raises:
        ExportError: the format cannot be had.
    """
    if format_ == "parquet":
        if compressed:
            raise ExportError("a Parquet file is compressed already; let its name not end in .gz")
        with _parquet(file, columns) as writer:
            yield writer
        return
    with ExitStack() as open_:
        if compressed:
            # Without the time in it the same rows always give the same bytes.
            zipped = gzip.GzipFile("", "wb", compresslevel=_LEVEL, fileobj=file, mtime=0)
            file = cast("BinaryIO", open_.enter_context(zipped))
        yield _Csv(file, columns) if format_ == "csv" else _JsonLines(file, columns)


class _Csv:
    def __init__(self, file: BinaryIO, columns: Sequence[Column]) -> None:
        self._file = file
        file.write(csv_head(columns))

    def write(self, rows: Sequence[Row]) -> None:
        self._file.write(csv_lines(rows))


class _JsonLines:
    def __init__(self, file: BinaryIO, columns: Sequence[Column]) -> None:
        self._file = file
        self._columns = columns

    def write(self, rows: Sequence[Row]) -> None:
        self._file.write(json_lines(self._columns, rows))


@contextmanager
def _parquet(file: BinaryIO, columns: Sequence[Column]) -> Generator[Writer]:
    """Write each batch as a row group of its own."""
    if find_spec("pyarrow") is None:
        raise ExportError(
            "Parquet needs pyarrow; run `pip install 'visitor-counter[parquet]'`, or choose csv or jsonl"
        )
    import pyarrow as pa  # noqa: PLC0415 - of the extra `parquet`, and 150 MB
    from pyarrow import parquet  # noqa: PLC0415

    kinds: dict[Kind, Any] = {
        "text": pa.string(),
        "texts": pa.list_(pa.string()),
        "number": pa.int64(),
        "flag": pa.bool_(),
        "day": pa.date32(),
        "moment": pa.timestamp("us", tz="UTC"),
    }
    schema = pa.schema([(column.name, kinds[column.kind]) for column in columns])
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        yield _Parquet(pa, schema, writer)


class _Parquet:
    def __init__(self, pa: Any, schema: Any, writer: Any) -> None:
        self._pa = pa
        self._schema = schema
        self._writer = writer

    def write(self, rows: Sequence[Row]) -> None:
        columns = zip(*rows, strict=True)
        arrays = [
            self._pa.array(list(values), type=field.type)
            for values, field in zip(columns, self._schema, strict=True)
        ]
        self._writer.write_table(self._pa.Table.from_arrays(arrays, schema=self._schema))
