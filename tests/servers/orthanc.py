"""A real PACS for tests: Orthanc with its DICOMweb plugin, from Debian, on a free port of loopback."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["MISSING", "Orthanc", "program", "run_orthanc"]

MISSING = "Orthanc with its DICOMweb plugin is not installed (apt-get install orthanc orthanc-dicomweb)"
_PLUGINS = (
    Path("/usr/share/orthanc/plugins"),
    Path("/usr/lib/orthanc/plugins"),
    Path("/usr/local/share/orthanc/plugins"),
)


def program() -> tuple[str, Path] | None:
    """Return Orthanc and its plugin; None where either is missing."""
    found = shutil.which("Orthanc", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    plugins = [folder / "libOrthancDicomWeb.so" for folder in _PLUGINS]
    plugin = next((path for path in plugins if path.is_file()), None)
    return (found, plugin) if found and plugin else None


@dataclass(frozen=True)
class Orthanc:
    """A running server.

    Attributes
    ----------
    process
        Its process's id.
    """

    port: int
    process: int

    @property
    def archive(self) -> str:
        """The address as ``study.toml`` has it."""
        return f"dicomweb+http://127.0.0.1:{self.port}/dicom-web"

    def call(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """Use the server's own interface, which is not DICOMweb."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data=body, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            content: bytes = answer.read()
            return content

    def add(self, files: Iterable[Path]) -> None:
        """Store files."""
        for file in files:
            self.call("POST", "/instances", file.read_bytes())


@contextmanager
def run_orthanc(folder: Path, *, users: dict[str, str] | None = None) -> Iterator[Orthanc]:
    """Run Orthanc with its database in a folder while the block lasts."""
    found = program()
    assert found is not None, MISSING
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "HttpPort": port,
        "DicomServerEnabled": False,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": bool(users),
        "RegisteredUsers": users or {},
        "HttpCompressionEnabled": False,
        "SyncStorageArea": False,
        "OverwriteInstances": True,
        "Plugins": [str(found[1])],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/", "EnableWado": False},
    }
    file = folder / "orthanc.json"
    file.write_text(json.dumps(settings), encoding="utf-8")
    with (folder / "orthanc.log").open("wb") as log:
        process = subprocess.Popen([found[0], str(file)], stdout=log, stderr=log)
        try:
            _await(process, port, folder / "orthanc.log")
            yield Orthanc(port=port, process=process.pid)
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(20)


def _await(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    for _ in range(600):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/system", timeout=5).close()
            return
        except urllib.error.HTTPError as refused:
            refused.close()
            return
        except OSError:
            time.sleep(0.05)
        if process.poll() is not None:
            break
    raise RuntimeError(f"Orthanc did not start:\n{log.read_text(errors='replace')[-2000:]}")
