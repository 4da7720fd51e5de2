"""How long libraries take to read an array from S3, side by side on this machine.

    python tools/compare_s3.py --zarr .peers/zarr34/bin/python --tensorstore .peers/tensorstore/bin/python

Each library runs in a process of its own, with its own Python, and all take turns, so that what else the machine
does befalls them alike. The array is opened once; what is timed is reading all of it. ``--server moto`` is
an S3 server in Python, ``--server nginx`` serves the same files, as S3 answers requests for objects, and takes
hardly any time itself. The table is printed as Markdown.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

ROOT = Path(__file__).parents[1]
BUCKET = "bucket"
REGION = "us-east-1"
N_CHUNKS = 256
CHUNK_ITEMS = 1 << 19  # of 2 bytes
CONCURRENCY = 64

ENGINES = {
    "zarrc, ObjectStore": "zarrc",
    "zarrc, FSStore (s3fs)": "zarrc",
    "zarr-python 3, ObjectStore": "zarr",
    "zarr-python 3, FsspecStore (s3fs)": "zarr",
    "TensorStore, s3": "tensorstore",
}


def values() -> np.ndarray:
    """A measurement: noise on something smooth, which compresses to about two thirds."""
    smooth = np.sin(np.arange(N_CHUNKS * CHUNK_ITEMS) / 1000) * 10_000
    noise = np.random.default_rng(0).normal(scale=300, size=N_CHUNKS * CHUNK_ITEMS)
    return (smooth + noise).astype("i2").reshape(N_CHUNKS, CHUNK_ITEMS)


# ---------------------------------------------------------------- at work, in the library's own Python


def obstore_store(endpoint: str, path: str) -> Any:
    from obstore.store import S3Store

    return S3Store(
        BUCKET,
        prefix=path,
        endpoint=endpoint,
        access_key_id="id",
        secret_access_key="secret",
        region=REGION,
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
    )


def s3fs_options(endpoint: str) -> dict[str, Any]:
    return {
        "key": "id",
        "secret": "secret",
        "client_kwargs": {"endpoint_url": endpoint},
        "config_kwargs": {"max_pool_connections": CONCURRENCY},
    }


def open_zarrc(engine: str, endpoint: str, path: str) -> Callable[[], np.ndarray]:
    import zarrc

    zarrc.config.set({"async.concurrency": CONCURRENCY})
    if "ObjectStore" in engine:
        store: Any = zarrc.ObjectStore(obstore_store(endpoint, path))
    else:
        store = zarrc.FSStore(f"s3://{BUCKET}/{path}", mode="r", **s3fs_options(endpoint))
    z = zarrc.open_array(store, mode="r", zarr_format=3)
    return lambda: z[:]


def open_zarr(engine: str, endpoint: str, path: str) -> Callable[[], np.ndarray]:
    import zarr
    from zarr.storage import FsspecStore, ObjectStore

    zarr.config.set({"async.concurrency": CONCURRENCY})
    if "ObjectStore" in engine:
        store: Any = ObjectStore(obstore_store(endpoint, path), read_only=True)
    else:
        options = {**s3fs_options(endpoint), "asynchronous": True}
        store = FsspecStore.from_url(f"s3://{BUCKET}/{path}", storage_options=options, read_only=True)
    z = zarr.open_array(store, mode="r", zarr_format=3)
    return lambda: z[:]


def open_tensorstore(engine: str, endpoint: str, path: str) -> Callable[[], np.ndarray]:
    import tensorstore

    os.environ.update(AWS_ACCESS_KEY_ID="id", AWS_SECRET_ACCESS_KEY="secret")
    kvstore = {
        "driver": "s3",
        "bucket": BUCKET,
        "path": f"{path}/",
        "endpoint": endpoint,
        "aws_region": REGION,
        "aws_credentials": {"type": "environment"},
    }
    context = {"s3_request_concurrency": {"limit": CONCURRENCY}, "cache_pool": {"total_bytes_limit": 0}}
    spec = {"driver": "zarr3", "kvstore": kvstore, "context": context}
    z = tensorstore.open(spec, read=True, open=True).result()
    return lambda: z.read().result()


def work(engine: str, endpoint: str, path: str) -> None:
    """Read the array once for each line that comes; say how long it took, and the processor time of this process."""
    read = {"zarrc": open_zarrc, "zarr": open_zarr, "tensorstore": open_tensorstore}[ENGINES[engine]](
        engine, endpoint, path
    )
    for _ in sys.stdin:
        cpu, began = time.process_time(), time.perf_counter()
        found = read()
        answer = {"seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu}
        answer["sum"] = int(found.sum(dtype="i8"))
        del found
        print(json.dumps(answer), flush=True)


# ---------------------------------------------------------------- the servers


_NGINX = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off; keepalive_requests 1000000; types {{}} default_type application/octet-stream;
    sendfile on; tcp_nopush on;
    client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
    server {{
        listen 127.0.0.1:{port}; root {folder}/files; add_header x-amz-bucket-region us-east-1 always;
    }}
}}
"""


@contextmanager
def nginx(folder: Path, path: str, array: Any) -> Iterator[str]:
    """nginx over a folder that holds the array."""
    import servers

    import zarrc

    zarrc.copy_store(array.store, zarrc.DirectoryStore(str(folder / "files" / BUCKET / path)))

    def command(port: int) -> list[str]:
        (folder / "nginx.conf").write_text(_NGINX.format(folder=folder, port=port))
        return ["/usr/sbin/nginx", "-e", str(folder / "error.log"), "-c", str(folder / "nginx.conf")]

    with servers.running(command, folder) as server:
        yield server.url


@contextmanager
def moto(folder: Path, path: str, array: Any) -> Iterator[str]:
    """moto's S3, with the array in it."""
    import servers

    import zarrc

    with servers.s3(folder) as server:
        request = urllib.request.Request(f"{server.url}/{BUCKET}", method="PUT")
        urllib.request.urlopen(request).close()
        zarrc.copy_store(array.store, zarrc.ObjectStore(obstore_store(server.url, path)))
        yield server.url


# ---------------------------------------------------------------- taking turns


class Worker:
    """A library at work in a process of its own."""

    def __init__(self, python: str, engine: str, endpoint: str, path: str) -> None:
        self.times: list[float] = []
        self.cpu: list[float] = []
        self._process = subprocess.Popen(
            [python, __file__, "--work", engine, endpoint, path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def turn(self, expected: int, counts: bool) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("read\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if answer["sum"] != expected:
            raise SystemExit("other values were read than were written")
        if counts:
            self.times.append(answer["seconds"])
            self.cpu.append(answer["cpu"])

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


def compare(arguments: argparse.Namespace) -> None:
    import zarrc

    pythons = {"zarrc": sys.executable, "zarr": arguments.zarr, "tensorstore": arguments.tensorstore}
    data = values()
    compressors = None if arguments.compressor == "none" else zarrc.codecs.ZstdCodec(level=0)
    array = zarrc.create_array(
        zarrc.MemoryStore(),
        shape=data.shape,
        chunks=(1, CHUNK_ITEMS),
        dtype=data.dtype,
        compressors=compressors,
    )
    array[:] = data
    expected = int(data.sum(dtype="i8"))
    del data
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=arguments.folder)))
        server = {"moto": moto, "nginx": nginx}[arguments.server]
        endpoint = stack.enter_context(server(folder, "a.zarr", array))
        stored = array.nbytes_stored
        del array
        workers = {}
        for engine, kind in ENGINES.items():
            if pythons[kind] and re.search(arguments.only, engine):
                workers[engine] = Worker(pythons[kind], engine, endpoint, "a.zarr")
                stack.callback(workers[engine].close)
        for k in range(arguments.rounds + 1):
            for worker in workers.values():
                worker.turn(expected, counts=k > 0)  # the first one makes connections
    best = min(median(worker.times) for worker in workers.values())
    print(
        f"{arguments.server}, {arguments.compressor}: {stored / 2**20:.0f} MiB stored, {os.cpu_count()} CPUs\n"
    )
    print("| | median s | fastest s | CPU s | times the fastest |\n|---|---|---|---|---|")
    for engine, worker in workers.items():
        middle = median(worker.times)
        print(
            f"| {engine} | {middle:.2f} | {min(worker.times):.2f} | {median(worker.cpu):.2f} "
            f"| {middle / best:.2f} |"
        )


def main() -> None:
    if sys.argv[1:2] == ["--work"]:
        work(*sys.argv[2:])
        return
    sys.path.insert(0, str(ROOT / "tests" / "support"))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--zarr", help="Python that has zarr-python 3, s3fs and obstore")
    parser.add_argument("--tensorstore", help="Python that has TensorStore")
    parser.add_argument("--server", choices=["moto", "nginx"], default="moto")
    parser.add_argument("--compressor", choices=["none", "zstd"], default="none")
    parser.add_argument("--only", default="", help="pattern of the names of those that take part")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", help="where the server keeps its files")
    compare(parser.parse_args())


if __name__ == "__main__":
    main()
