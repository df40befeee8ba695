"""The result folder: every file whole or not at all, names that are safe, tables in Parquet and CSV.

A file that would be the same again is left alone.

A subject's folder is written aside, synced, and moved into place in one step; what a reader decided (files
``decisions-*``) is carried over from the folder that it replaces, nobody being able to decide meanwhile.
"""

from __future__ import annotations

import filecmp
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from lesiontrack.domain.geometry import Grid
from lesiontrack.domain.history import Registration
from lesiontrack.domain.view import View
from lesiontrack.errors import TableError
from lesiontrack.io.chained_log import locked
from lesiontrack.io.history import transform_arrays
from lesiontrack.io.nifti import write_label_map
from lesiontrack.tables import COHORT_TABLES, empty, validate
from lesiontrack.tables.columns import Kind

__all__ = [
    "READING_FILE",
    "LabelMap",
    "TableWriter",
    "join_tables",
    "load_views",
    "put_folder",
    "read_json",
    "read_table",
    "reading_folder",
    "reading_folders",
    "safe_name",
    "stored_key",
    "stored_readings",
    "subject_folder",
    "subject_lock",
    "sweep",
    "write_json",
    "write_reading",
    "write_subject",
    "write_table",
    "write_text",
]

LabelMap = tuple[Grid, "np.ndarray[Any, np.dtype[np.uint16]]"]

# A spreadsheet runs a cell that begins with one of these.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_LONGEST_NAME = 100
# Written last into the folder of a reading: whose it is and what it was made from.
READING_FILE = "reading.json"


def safe_name(subject_id: str) -> str:
    """Return a file name for a subject id: injective, no separators, no leading dot, at most 100 characters.

    Letters of either case are told apart also where the file system does not: upper case is kept, and the name gets a
    short digest unless the id is plain.
    """
    plain = quote(subject_id, safe="-_").replace(".", "%2E").replace("~", "%7E")
    if len(plain) <= _LONGEST_NAME and plain == plain.upper() and plain:
        return plain
    digest = hashlib.sha256(subject_id.encode()).hexdigest()[:10]
    return f"{plain[: _LONGEST_NAME - 11]}~{digest}"


def subject_folder(out: Path, subject_id: str) -> Path:
    """Return the folder of a subject's results."""
    return out / "subjects" / safe_name(subject_id)


def subject_lock(out: Path, subject_id: str) -> Path:
    """Return the lock of a subject's decisions; it lies outside of the folder that a rerun replaces."""
    return out / ".locks" / f"{safe_name(subject_id)}.lock"


def reading_folder(out: Path, subject_id: str, reader: str) -> Path:
    """Return the folder of one reader's results of a subject; the machine's own is the subject's folder."""
    return subject_folder(out, subject_id) / "readings" / safe_name(reader)


def reading_folders(out: Path, subject_id: str) -> list[Path]:
    """Return the folders of all readers' results of a subject, by name."""
    return sorted(path for path in (subject_folder(out, subject_id) / "readings").glob("[!.]*") if path.is_dir())


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all; one that holds the text already is left alone."""
    if path.is_file() and path.read_bytes() == text.encode("utf-8"):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_json(path: Path, document: Any) -> None:
    """Write a JSON document; NaN and infinities are refused."""
    write_text(path, json.dumps(document, indent=1, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON document."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_table(folder: Path, name: str, data: pd.DataFrame) -> None:
    """Write a declared table as ``name.parquet`` (exact) and ``name.csv`` (no cell that a spreadsheet would run)."""
    folder.mkdir(parents=True, exist_ok=True)
    validate(name, data)
    aside = folder / f".{name}.parquet.writing"
    data.to_parquet(aside, index=False)
    _put(aside, folder / f"{name}.parquet")
    write_text(folder / f"{name}.csv", _spreadsheet_safe(data).to_csv(index=False, lineterminator="\n"))


def _put(aside: Path, final: Path) -> None:
    """Move a file into place, unless what is there is the same."""
    if final.is_file() and filecmp.cmp(aside, final, shallow=False):
        aside.unlink()
    else:
        aside.replace(final)


def put_folder(aside: Path, final: Path) -> None:
    """Move a folder's files into another, those that are not there already, and remove what it no longer has."""
    final.mkdir(parents=True, exist_ok=True)
    wanted = {path.relative_to(aside) for path in aside.rglob("*") if path.is_file()}
    for name in sorted(wanted):
        (final / name).parent.mkdir(parents=True, exist_ok=True)
        _put(aside / name, final / name)
    for path in sorted(final.rglob("*"), reverse=True):
        if path.is_file() and path.relative_to(final) not in wanted:
            path.unlink()
        elif path.is_dir() and not any(path.iterdir()):
            path.rmdir()
    shutil.rmtree(aside)


class TableWriter:
    """Writes a declared table piece by piece, for more rows than memory holds; in place only when all is written."""

    def __init__(self, folder: Path, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._name = name
        self._final = {suffix: folder / f"{name}.{suffix}" for suffix in ("parquet", "csv")}
        self._aside = {suffix: folder / f".{name}.{suffix}.writing" for suffix in ("parquet", "csv")}
        self._parquet: pq.ParquetWriter | None = None
        self._text = self._aside["csv"].open("w", encoding="utf-8", newline="")
        self._rows = 0

    def __enter__(self) -> TableWriter:
        """Return itself."""
        return self

    def write(self, data: pd.DataFrame) -> None:
        """Append a frame of the declared table."""
        arrow = pa.Table.from_pandas(validate(self._name, data), preserve_index=False)
        if self._parquet is None:
            self._parquet = pq.ParquetWriter(self._aside["parquet"], arrow.schema)
        self._parquet.write_table(arrow.cast(self._parquet.schema))
        header = self._rows == 0 and self._text.tell() == 0
        _spreadsheet_safe(data).to_csv(self._text, index=False, lineterminator="\n", header=header)
        self._rows += len(data)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Put both files into place, or leave nothing behind."""
        if kind is None and self._parquet is None:
            self.write(empty(self._name))
        if self._parquet is not None:
            self._parquet.close()
        self._text.close()
        for suffix, aside in self._aside.items():
            if kind is None:
                aside.replace(self._final[suffix])
            else:
                aside.unlink(missing_ok=True)


def _spreadsheet_safe(data: pd.DataFrame) -> pd.DataFrame:
    safe = data.copy()
    for column in safe.columns:
        if pd.api.types.is_string_dtype(safe[column].dtype) or safe[column].dtype == object:
            text = safe[column].astype("string")
            risky = text.str.startswith((*_FORMULA, "'")).fillna(False)
            safe[column] = text.mask(risky, "'" + text)
    return safe


def read_table(folder: Path, name: str) -> pd.DataFrame:
    """Read a declared table from Parquet, or from CSV where there is only that; empty when neither is there.

    Raises
    ------
    TableError
        If the file does not hold the declared columns.
    """
    parquet, text = folder / f"{name}.parquet", folder / f"{name}.csv"
    if parquet.is_file():
        return validate(name, pd.read_parquet(parquet))
    if not text.is_file():
        return empty(name)
    table = COHORT_TABLES[name]
    raw = pd.read_csv(text, dtype="string", keep_default_na=False, na_values=[""])
    for column in raw.columns:
        raw[column] = raw[column].str.replace(r"^'(?=[=+\-@\t\r'])", "", regex=True)
        declared = table.columns.get(column)
        if declared is None:
            continue
        try:
            raw[column] = _typed(raw[column], declared.kind)
        except (ValueError, TypeError) as error:
            raise TableError(f"column {column} of table {name}: {error}", file=str(text)) from error
    return validate(name, raw)


def _typed(values: pd.Series[Any], kind: Kind) -> pd.Series[Any]:
    if kind is Kind.INT:
        return pd.to_numeric(values).astype("Int64")
    if kind is Kind.FLOAT:
        return pd.to_numeric(values).astype("float64")
    if kind is Kind.BOOL:
        return values.map({"True": True, "False": False, "true": True, "false": False}).astype("boolean")
    return values


def write_subject(
    out: Path,
    subject_id: str,
    *,
    frames: Mapping[str, pd.DataFrame],
    label_maps: Mapping[str, LabelMap],
    registrations: Iterable[Registration],
    views: Iterable[View],
    provenance: Mapping[str, Any],
    machine: Mapping[str, Any] | None = None,
) -> Path:
    """Write a subject's folder whole, replacing an earlier one and keeping its readers' decisions.

    Parameters
    ----------
    label_maps
        File stem -> grid and uint16 (k, j, i) array; written as ``<stem>.nii.gz``, label = lesion number.
    machine
        The history before any decision (`io.history.machine_document`), for decisions to be replayed onto.
    """
    final = subject_folder(out, subject_id)
    final.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=final.parent, prefix=".writing-"))
    try:
        for name, data in frames.items():
            write_table(aside, name, data)
        for stem, (grid, labels) in label_maps.items():
            write_label_map(aside / f"{stem}.nii.gz", grid, labels)
        _write_arrays(aside / "transforms.npz", transform_arrays(registrations))
        _write_views(aside / "views.npz", views)
        if machine is not None:
            write_json(aside / "machine.json", machine)
        write_json(aside / "provenance.json", {**provenance, "subject_id": subject_id})
        _sync(aside)
        with locked(subject_lock(out, subject_id)) if final.is_dir() else nullcontext():
            _swap(aside, final)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    return final


def _swap(aside: Path, final: Path) -> None:
    if final.is_dir():
        for decisions in final.glob("decisions-*"):
            os.link(decisions, aside / decisions.name)
        old = Path(tempfile.mkdtemp(dir=final.parent, prefix=".old-"))
        final.replace(old)
        aside.replace(final)
        shutil.rmtree(old, ignore_errors=True)
    else:
        aside.replace(final)
    final.chmod(0o755)


def sweep(out: Path) -> None:
    """Clear away what a killed run left half done: nothing that was whole is lost, nothing that was not is kept.

    A subject's folder that was moved aside for a newer one which then never came is moved back, with its readers'
    decisions. To be called before anybody writes to the result folder.
    """
    for old in sorted((out / "subjects").glob(".old-*")):
        whole = old / "provenance.json"
        final = subject_folder(out, str(read_json(whole)["subject_id"])) if whole.is_file() else None
        if final is not None and not final.exists():
            old.replace(final)
        else:
            shutil.rmtree(old)
    for folder in (out, out / "subjects", out / "cohort", out / "endpoints", out / "report"):
        for half in (*folder.glob(".writing-*"), *folder.glob(".*.writing")):
            if half.is_dir():
                shutil.rmtree(half)
            else:
                half.unlink()


def _sync(folder: Path) -> None:
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())


def _write_arrays(path: Path, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def _write_views(path: Path, views: Iterable[View]) -> None:
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    described = []
    for number, view in enumerate(views):
        arrays[f"image{number}"] = view.pixels
        described.append(view.describe())
    arrays["views"] = np.frombuffer(json.dumps(described).encode(), dtype=np.uint8)
    _write_arrays(path, arrays)


def load_views(folder: Path) -> list[View]:
    """Read a subject's views, in the order in which they were written."""
    path = folder / "views.npz"
    if not path.is_file():
        return []
    with np.load(path, allow_pickle=False) as archive:
        described = json.loads(archive["views"].tobytes().decode())
        return [View.from_description(d, archive[f"image{n}"]) for n, d in enumerate(described)]


def stored_key(out: Path, subject_id: str) -> str | None:
    """Return the key of the inputs that a stored subject was made from; None when there is none."""
    path = subject_folder(out, subject_id) / "provenance.json"
    if not path.is_file():
        return None
    key = read_json(path).get("key")
    return str(key) if key else None


def join_tables(name: str, folders: Iterable[Path]) -> pd.DataFrame:
    """Join the tables of one name that folders hold, in their order; a folder without it adds nothing."""
    parts = [read_table(folder, name) for folder in folders if (folder / f"{name}.parquet").is_file()]
    parts = [part for part in parts if len(part)]
    return validate(name, pd.concat(parts, ignore_index=True)) if parts else empty(name)


def write_reading(subject: Path, reader: str, frames: Mapping[str, pd.DataFrame], record: Mapping[str, Any]) -> Path:
    """Write one reader's reading beside the machine's results of a subject, whole or not at all.

    Parameters
    ----------
    subject
        The subject's folder.
    record
        Document ``reading.json``: whose it is and what it was made from.
    """
    folder = subject / "readings"
    folder.mkdir(exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=folder, prefix=".writing-"))
    final = folder / safe_name(reader)
    try:
        for name, data in frames.items():
            write_table(aside, name, data)
        # Without its record a reading is not there; with it, it is whole.
        (final / READING_FILE).unlink(missing_ok=True)
        put_folder(aside, final)
        write_json(final / READING_FILE, {**record, "reader": reader})
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    return final


def stored_readings(subject: Path) -> dict[str, tuple[Path, dict[str, Any]]]:
    """Return the whole readings of a subject: reader -> (folder, record), by name."""
    found = [(path.parent, dict(read_json(path))) for path in sorted(subject.glob(f"readings/*/{READING_FILE}"))]
    return {str(record["reader"]): (folder, record) for folder, record in sorted(found, key=lambda f: f[1]["reader"])}
