"""Servers for tests: started on a free port of 127.0.0.1 as processes, and stopped by their process ids.

Each is a context manager that gives a `Server`; the fixtures of ``tests/storage/conftest.py`` start
one for the session. What is not there ends the test as `services.missing` does.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import services

SUPPORT = Path(__file__).parent
START_SECONDS = 60.0
HOST = "127.0.0.1"
SYSTEM_PATH = ":/usr/sbin:/sbin"  # where servers may be and the PATH of a user is not

# Azurite's well-known account, which its documentation gives
AZURE_ACCOUNT = "devstoreaccount1"
AZURE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@dataclass(frozen=True)
class Server:
    """A server that runs.

    Attributes
    ----------
    port : int
        On 127.0.0.1.
    folder : pathlib.Path
        What it keeps on disk.
    """

    port: int
    folder: Path

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


@contextmanager
def running(command: Callable[[int], list[str]], folder: Path, **env: str) -> Iterator[Server]:
    """Start a server and wait until it takes connections.

    Parameters
    ----------
    command : callable
        Gives what to run for a port.
    folder : pathlib.Path
        Where it runs; its output is kept there.
    **env
        Added to its environment.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for attempt in range(3):  # somebody else may take the port first
        port = free_port()
        with open(folder / f"output-{attempt}.txt", "wb") as output:
            process = subprocess.Popen(
                command(port),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **env},
            )
        try:
            if _answers(process, port):
                yield Server(port, folder)
                return
        finally:
            stop(process)
    raise RuntimeError(f"{command(0)[0]} does not start:\n{(folder / 'output-0.txt').read_text()}")


def _answers(process: subprocess.Popen, port: int) -> bool:
    """Wait for a server; False if it ended instead."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection((HOST, port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return True
    return False


def stop(process: subprocess.Popen) -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _program(name: str) -> str:
    """Path of a program of the system."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + SYSTEM_PATH)
    if found is None:
        services.missing(f"the server {name}")
    return found


@contextmanager
def redis(folder: Path, *more: str) -> Iterator[Server]:
    program = _program("redis-server")
    options = ["--bind", HOST, "--save", "", "--appendonly", "no", "--dir", str(folder), *more]
    with running(lambda port: [program, "--port", str(port), *options], folder) as server:
        yield server


@contextmanager
def s3(folder: Path) -> Iterator[Server]:
    """moto's S3: any key and secret will do."""
    command = [
        str(services.peer_python("moto")),
        "-E",
        "-P",
        "-W",
        "ignore",
        "-m",
        "moto.server",
        "-H",
        HOST,
        "-p",
    ]
    with running(lambda port: [*command, str(port)], folder) as server:
        yield server


@contextmanager
def azure(folder: Path) -> Iterator[Server]:
    """Azurite's blobs, with its well-known account."""
    program = services.PEERS / "azurite" / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
    if not program.exists():
        services.missing("the server azurite")
    options = ["--blobHost", HOST, "--location", str(folder), "--silent", "--skipApiVersionCheck"]
    options += ["--disableTelemetry"]
    node = _program("node")
    with running(lambda port: [node, str(program), *options, "--blobPort", str(port)], folder) as server:
        yield server


@contextmanager
def gcs(folder: Path) -> Iterator[Server]:
    python = str(services.peer_python("gcs"))
    command = [python, "-E", "-P", "-W", "ignore", "-m", "gcp_storage_emulator", "start", f"--host={HOST}"]
    with running(lambda port: [*command, f"--port={port}", "--in-memory"], folder) as server:
        yield server


_NGINX = """
load_module {module}; daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off; keepalive_requests 100000; types {{}} default_type application/octet-stream;
    client_max_body_size 0; client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2;
    fastcgi_temp_path {folder}/t3; uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
    server {{
        listen {host}:{port}; root {folder}; autoindex on; autoindex_exact_size on;
        location /files/ {{ }}
        location /dav/ {{
            dav_methods PUT DELETE MKCOL COPY MOVE; dav_ext_methods PROPFIND OPTIONS;
            create_full_put_path on;
        }}
        location /private/ {{ auth_basic "in"; auth_basic_user_file {folder}/users; }}
    }}
}}
"""
_DAV_MODULE = "/usr/lib/nginx/modules/ngx_http_dav_ext_module.so"

HTTP_USER = "me"
HTTP_PASSWORD = "swordfish"


@contextmanager
def http(folder: Path) -> Iterator[Server]:
    """nginx: ``folder / "files"`` can be read and listed, ``"dav"`` written too, and ``"private"`` read by one user."""
    program = _program("nginx")
    if not Path(_DAV_MODULE).exists():
        services.missing("nginx's module for WebDAV")
    for name in ("files", "dav", "private"):
        (folder / name).mkdir(parents=True)
    (folder / "users").write_text(f"{HTTP_USER}:{{PLAIN}}{HTTP_PASSWORD}\n")

    def command(port: int) -> list[str]:
        path = folder / "nginx.conf"
        path.write_text(_NGINX.format(folder=folder, host=HOST, port=port, module=_DAV_MODULE))
        return [program, "-e", str(folder / "error.log"), "-c", str(path)]

    with running(command, folder) as server:
        yield server


@contextmanager
def mongodb(folder: Path) -> Iterator[Server]:
    """A server that speaks MongoDB's protocol, as much of it as a store needs."""
    services.module("bson")
    command = [sys.executable, "-P", str(SUPPORT / "mongo_server.py")]
    with running(lambda port: [*command, str(port)], folder) as server:
        yield server


class Proxy:
    """A running ``proxy.py``, which is told what to do."""

    def __init__(self, upstream: int, kind: str = "http") -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(SUPPORT / "proxy.py"), kind, str(upstream)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.port, control = (int(word) for word in self._process.stdout.readline().split())
        self._control = socket.create_connection((HOST, control))
        self._lines = self._control.makefile("rw")

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def tell(self, **order: Any) -> dict[str, Any]:
        """Give an order; what the proxy has seen so far."""
        self._lines.write(json.dumps(order) + "\n")
        self._lines.flush()
        return json.loads(self._lines.readline())

    def clear(self) -> None:
        self.tell(clear=True)

    @property
    def requests(self) -> list[str]:
        """All requests since the last `clear`."""
        return self.tell()["requests"]

    def close(self) -> None:
        self._lines.close()
        self._control.close()
        stop(self._process)
        assert self._process.stdout is not None
        self._process.stdout.close()


@contextmanager
def proxy(upstream: int, kind: str = "http") -> Iterator[Proxy]:
    made = Proxy(upstream, kind)
    try:
        yield made
    finally:
        made.close()
