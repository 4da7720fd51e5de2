"""The store on fsspec, over servers and what else fsspec opens."""

from __future__ import annotations

import itertools
import pickle
import re
import sys

import numpy as np
import pytest
import servers
import services

import zarrc
from zarrc.errors import StoreError
from zarrc.storage import DirectoryStore, FSStore, MemoryStore
from zarrc.testing import KEYS, StoreTests

fsspec = services.module("fsspec")

_numbers = itertools.count()

N5_DOCUMENTS = (".zarray", ".zgroup", ".zattrs", "zarr.json", "attributes.json")


class FSStoreTests(StoreTests):
    n_many, n_bulk, large_nbytes = 100, 300, 10_000_000

    def url(self, tmp_path):
        raise NotImplementedError

    def options(self):
        return {}

    def create_store(self, tmp_path):
        return FSStore(self.url(tmp_path), **self.options())

    def reopen_store(self, store, tmp_path):
        return FSStore(store.path, fs=store.fs)

    def read_only_store(self, store, tmp_path):
        return FSStore(store.path, fs=store.fs, mode="r")

    def raw_get(self, store, key):
        return store.fs.cat_file(f"{store.path}/{key}")

    def raw_set(self, store, key, value):
        store.fs.pipe_file(f"{store.path}/{key}", value)


class TestMemory(FSStoreTests):
    pickles_to_processes = False  # which have a memory of their own
    # fsspec lists it by a loop that other threads disturb, where the global lock does not hold them off
    thread_safe = getattr(sys, "_is_gil_enabled", lambda: True)()

    def url(self, tmp_path):
        return f"memory://of-tests/{next(_numbers)}"


class TestLocal(FSStoreTests):
    process_safe = True

    def url(self, tmp_path):
        return str(tmp_path)

    def raw_set(self, store, key, value):
        path = f"{store.path}/{key}"
        store.fs.makedirs(store.fs._parent(path), exist_ok=True)
        store.fs.pipe_file(path, value)


@pytest.mark.service
class TestS3(FSStoreTests):
    @pytest.fixture(autouse=True)
    def _server(self, s3_bucket):
        services.module("s3fs")
        self.bucket = s3_bucket

    def url(self, tmp_path):
        return f"s3://{self.bucket.name}/fs/{next(_numbers)}"

    def options(self):
        return {"key": "id", "secret": "secret", "client_kwargs": {"endpoint_url": self.bucket.url}}


class TestN5(TestMemory):
    """N5 as format 2: its documents are left out of the keys, as they must say something."""

    keys = tuple(key for key in KEYS if key.rpartition("/")[2] not in N5_DOCUMENTS)

    def create_store(self, tmp_path):
        return zarrc.N5FSStore(self.url(tmp_path), **self.options())

    def reopen_store(self, store, tmp_path):
        return zarrc.N5FSStore(super().reopen_store(store.store, tmp_path))

    def read_only_store(self, store, tmp_path):
        return zarrc.N5FSStore(super().read_only_store(store.store, tmp_path))

    def raw_get(self, store, key):
        return super().raw_get(store.store, key)

    def raw_set(self, store, key, value):
        super().raw_set(store.store, key, value)


class TestCached(TestS3):
    """A cache of S3 in local files, which does not show what is changed behind it."""

    def url(self, tmp_path):
        return f"simplecache::{super().url(tmp_path)}"

    def options(self):
        return {"s3": super().options()}


@pytest.mark.service
class TestGCS(FSStoreTests):
    n_many, n_bulk = 50, 50

    @pytest.fixture(autouse=True)
    def _server(self, gcs_bucket):
        self.server = gcs_bucket
        with zarrc.config.set({"async.concurrency": 4}):  # the emulator stops answering where there are many
            yield

    def url(self, tmp_path):
        return f"gcs://bucket/{next(_numbers)}"

    def options(self):
        return {"token": "anon", "endpoint_url": self.server.url, "project": "p"}


@pytest.mark.service
class TestAzure(FSStoreTests):
    @pytest.fixture(autouse=True)
    def _server(self, azure_container):
        services.module("adlfs")
        self.container = azure_container

    def url(self, tmp_path):
        return f"abfs://{self.container.name}/fs/{next(_numbers)}"

    def options(self):
        at = self.container
        text = f"DefaultEndpointsProtocol=http;AccountName={at.account};AccountKey={at.key};BlobEndpoint={at.url};"
        return {"connection_string": text}


@pytest.mark.service
class TestHTTP(FSStoreTests):
    """A folder that nginx lets be written; its listings leave out what begins with a dot.

    HTTP itself has no way to delete, and where there is nothing does not say whether there is no folder or no listing.
    """

    keys = tuple(key for key in KEYS if not re.search(r"(^|/)\.", key))
    unsuited = re.compile(
        "starts_empty|delete|missing$|listdir|rmdir|rename|size|bulk|processes|mapping_methods|large|overridden"
    )

    @pytest.fixture(autouse=True)
    def _server(self, http_server, request):
        if self.unsuited.search(request.node.originalname):
            pytest.skip("HTTP cannot delete, and says nothing of folders that are not there")
        self.server = http_server

    def url(self, tmp_path):
        return f"{self.server.url}/dav/fs/{next(_numbers)}"

    def raw_get(self, store, key):
        return self._file(store, key).read_bytes()

    def raw_set(self, store, key, value):
        path = self._file(store, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(value)

    def _file(self, store, key):
        return self.server.folder / store.path.removeprefix(f"{self.server.url}/") / key

    def test_listing(self, tmp_path):
        store = self.create_store(tmp_path)
        values = {"a": b"1", "c/d": b"12", "c/e/f": b"123", "Gr\xfc\xdfe/with space": b"1234"}
        store.setitems(values)
        assert {key: store[key] for key in store} == store.getitems([*values, "c", "x"]) == values
        assert store.listdir() == ["Gr\xfc\xdfe", "a", "c"]
        assert store.listdir("c") == ["d", "e"]
        assert [name in store for name in ("a", "c/d", "c", "c/e", "x")] == [True, True, False, False, False]
        assert [store.getsize(name) for name in ("c/d", "c", "")] == [2, -1, -1]
        with pytest.raises(StoreError, match="'x'"):
            store.listdir("x")

    def test_a_folder_is_no_value(self, tmp_path):
        store = self.create_store(tmp_path)
        store["c/d"] = b"1"
        for read in (
            lambda: store["c"],
            lambda: store.get_partial("c", 0, 1),
            lambda: store.get_partial("c", -1),
        ):
            with pytest.raises(KeyError):
                read()

    def test_an_array(self, tmp_path):
        z = zarrc.open_array(self.url(tmp_path), mode="w-", shape=(20, 20), chunks=(5, 5), dtype="i4")
        z[:] = np.arange(400).reshape(20, 20)
        z = zarrc.open(z.store.path, mode="r")
        assert z.read_only
        assert np.array_equal(z[3:17, ::2], np.arange(400).reshape(20, 20)[3:17, ::2])

    def test_what_cannot_be_done(self, tmp_path):
        store = self.create_store(tmp_path)
        store["a"] = b"1"
        with pytest.raises(StoreError, match=r"'a'.*NotImplementedError"):
            del store["a"]
        with pytest.raises(StoreError, match="405"):
            FSStore(f"{self.server.url}/files/not-writeable")["a"] = b"1"

    def test_a_server_that_overlooks_ranges(self, tmp_path):
        store = self.create_store(tmp_path)
        store["a"] = bytes(range(100))
        with servers.proxy(self.server.port) as proxy:
            again = FSStore(store.path.replace(self.server.url, proxy.url))
            proxy.tell(fault="whole")
            assert again.get_partial("a", 10, 5) == bytes(range(10, 15))
            assert again.get_partial("a", -5) == bytes(range(95, 100))
            assert again.get_partials([("a", 0, 1), ("a", 99, 1)]) == [b"\0", bytes([99])]


class TestArguments:
    def test_a_file_system_that_is_there(self):
        fs = fsspec.filesystem("memory")
        store = FSStore("/there", fs=fs)
        store["a/b"] = b"1"
        assert fs.cat_file("/there/a/b") == b"1"
        with pytest.raises(ValueError, match="token"):
            FSStore("/there", fs=fs, token="t")

    def test_keys_in_lower_case(self):
        store = FSStore("memory://lower", normalize_keys=True)
        store["Foo/.zarray"] = b"1"
        assert store["foo/.ZARRAY"] == b"1"
        assert list(store) == ["foo/.zarray"]

    def test_separators(self):
        for name in ("key_separator", "dimension_separator"):
            store = FSStore(f"memory://{name}", **{name: "/"})
            z = zarrc.zeros((4, 4), chunks=2, store=store)
            z[:] = 1
            assert "1/1" in store

    def test_which_errors_mean_missing(self):
        class Strange(Exception):
            pass

        class Store(fsspec.get_filesystem_class("memory")):
            cachable = False

            def cat_file(self, path, **kwargs):
                raise Strange("it is not there")

        for name in ("exceptions", "missing_exceptions"):
            with pytest.raises(KeyError):
                FSStore("/x", fs=Store(), **{name: (Strange,)})["a"]
        with pytest.raises(OSError, match=r"memory:///x.*'a'.*it is not there"):
            FSStore("/x", fs=Store())["a"]

    def test_check_and_create(self, tmp_path):
        FSStore(str(tmp_path / "made"), create=True)
        assert (tmp_path / "made").is_dir()
        FSStore(str(tmp_path / "checked"), create=True, check=True)
        assert list((tmp_path / "checked").iterdir()) == []
        with pytest.raises(PermissionError):
            FSStore("memory://x", mode="r", check=True)

    def test_auto_mkdir(self, tmp_path):
        FSStore(str(tmp_path), auto_mkdir=True)["a/b"] = b"1"
        FSStore(f"file://{tmp_path}", auto_mkdir=False)["c/d"] = b"1"
        assert sorted(DirectoryStore(tmp_path)) == ["a/b", "c/d"]

    def test_unknown_file_systems(self):
        with pytest.raises(ValueError, match="nonsense"):
            FSStore("nonsense://a")


class TestOpening:
    def test_urls(self):
        root = zarrc.open_group("simplecache::memory://of-url", mode="w")
        assert type(root.store) is FSStore
        root.create_dataset("a", data=np.arange(10), chunks=3)
        again = zarrc.open("simplecache::memory://of-url", mode="r")
        assert np.array_equal(again["a"][:], np.arange(10))
        assert again.store.read_only

    def test_memory_is_ours(self):
        assert type(zarrc.open_group("memory://ours", mode="w").store) is MemoryStore

    def test_mappers(self):
        mapper = fsspec.get_mapper("memory://mapped")
        root = zarrc.group(store=mapper, overwrite=True)
        root.create_dataset("a", data=np.arange(10), chunks=3)
        assert type(root.store) is FSStore
        assert "a/.zarray" in mapper
        assert np.array_equal(zarrc.open(mapper)["a"][:], np.arange(10))

    def test_n5(self):
        for url in ("simplecache::memory://of.n5", "memory://not-fsspec"):
            store = zarrc.N5FSStore(url)
            zarrc.group(store=store, overwrite=True).create_dataset("a", data=np.arange(10), chunks=3)
            assert np.array_equal(zarrc.open_group(zarrc.N5FSStore(url), mode="r")["a"][:], np.arange(10))
        assert type(zarrc.open_group("simplecache::memory://of.n5").store) is zarrc.N5FSStore

    def test_options_are_for_urls(self, tmp_path):
        with pytest.raises(ValueError, match="storage_options"):
            zarrc.open_group(str(tmp_path), storage_options={"anon": True})


class TestLimits:
    """What a file system gets whose user does not say how long it is to wait."""

    def test_of_s3(self):
        services.module("s3fs")
        store = FSStore("s3://bucket/limits", anon=True, config_kwargs={"connect_timeout": 3})
        config = store.fs.config_kwargs
        assert (config["connect_timeout"], config["read_timeout"]) == (3, 15)
        assert store.fs.retries == pickle.loads(pickle.dumps(store)).fs.retries == 2
        cached = FSStore("simplecache::s3://bucket/limits", s3={"anon": True})
        assert cached.fs.fs.config_kwargs["read_timeout"] == 15
        assert cached.fs.fs.retries == 2

    def test_a_file_system_of_the_user_is_left_alone(self):
        s3fs = services.module("s3fs")
        fs = s3fs.S3FileSystem(anon=True, skip_instance_cache=True)
        assert "read_timeout" not in FSStore("bucket/limits", fs=fs).fs.config_kwargs
        assert fs.retries == s3fs.S3FileSystem.retries

    def test_of_web_sites(self):
        """A transfer may last, and silence may not."""
        aiohttp = services.module("aiohttp")
        timeout = FSStore("http://127.0.0.1/limits").fs.client_kwargs["timeout"]
        assert (timeout.total, timeout.sock_read) == (None, 60)
        mine = aiohttp.ClientTimeout(sock_read=3)
        options = {"client_kwargs": {"timeout": mine, "trust_env": True}}
        assert FSStore("http://127.0.0.1/limits", **options).fs.client_kwargs["timeout"] is mine


@pytest.mark.service
class TestOpeningInS3:
    """What users pass: URLs with options, mappers, file systems of their own, caches."""

    @pytest.fixture(autouse=True)
    def _server(self, s3_bucket):
        self.s3fs = services.module("s3fs")
        self.options = {"key": "id", "secret": "secret", "client_kwargs": {"endpoint_url": s3_bucket.url}}
        self.port = s3_bucket.port
        self.path = f"{s3_bucket.name}/opening/{next(_numbers)}.zarr"
        self.data = np.arange(100).reshape(10, 10)

    @pytest.mark.parametrize("zarr_format", [2, 3])
    def test_a_url_and_its_options(self, zarr_format):
        url = f"s3://{self.path}"
        root = zarrc.open_group(url, mode="w", zarr_format=zarr_format, storage_options=self.options)
        root.create_array("a/b", data=self.data, chunks=(3, 3), attributes={"unit": "m"})
        for mode in ("r", "r+", "a"):
            z = zarrc.open(url, mode=mode, storage_options=self.options)["a/b"]
            assert np.array_equal(z[:], self.data)
            assert z.read_only == z.store.read_only == (mode == "r")
        with pytest.raises(PermissionError):
            zarrc.open(url, mode="r", storage_options=self.options)["a/b"][0] = 1
        zarrc.open_array(url, mode="r+", path="a/b", storage_options=self.options)[0] = 1
        found = zarrc.open_array(url, mode="r", path="a/b", storage_options=self.options)
        assert (found[0] == 1).all()
        assert found.attrs["unit"] == "m"
        with pytest.raises(FileNotFoundError):
            zarrc.open(f"{url}-not-there", mode="r", storage_options=self.options)

    def test_a_mapper(self):
        mapper = self.s3fs.S3Map(self.path, s3=self.s3fs.S3FileSystem(**self.options), check=False)
        root = zarrc.group(store=mapper, overwrite=True)
        root.zeros("foo/bar", shape=(10, 10), chunks=(5, 5))[:] = self.data
        assert sorted(mapper)[:3] == [".zgroup", "foo/.zgroup", "foo/bar/.zarray"]
        assert np.array_equal(zarrc.open(mapper, mode="r")["foo/bar"][:], self.data)
        assert np.array_equal(zarrc.load(mapper, path="foo/bar"), self.data)
        cached = zarrc.group(store=zarrc.LRUStoreCache(mapper, max_size=2**20))
        assert np.array_equal(cached["foo/bar"][:], self.data)

    def test_a_file_system_that_is_there(self):
        fs = self.s3fs.S3FileSystem(**self.options)
        with FSStore(self.path, fs=fs) as store:
            assert store.fs is fs
            zarrc.array(self.data, chunks=(5, 5), store=store)
        reading = FSStore(f"s3://{self.path}", fs=fs, mode="r")
        assert np.array_equal(zarrc.open_array(reading, mode="r")[:], self.data)
        with pytest.raises(zarrc.errors.ReadOnlyError):
            reading["x"] = b"1"

    def test_a_cache_in_files(self, tmp_path):
        zarrc.array(self.data, chunks=(5, 5), store=FSStore(f"s3://{self.path}", **self.options))
        with servers.proxy(self.port) as proxy:
            options = {**self.options, "client_kwargs": {"endpoint_url": proxy.url}}
            options = {"s3": options, "simplecache": {"cache_storage": str(tmp_path)}}
            z = zarrc.open(f"simplecache::s3://{self.path}", mode="r", storage_options=options)
            assert np.array_equal(z[:], self.data)
            proxy.clear()
            assert np.array_equal(z[:], self.data)
            assert not [each for each in proxy.requests if each.startswith("GET") and "list-type" not in each]
            assert len(list(tmp_path.iterdir())) >= 4

    def test_n5(self):
        url = f"s3://{self.path.replace('.zarr', '.n5')}"
        root = zarrc.open_group(url, mode="w", storage_options=self.options)
        assert type(root.store) is zarrc.N5FSStore
        root.create_dataset("a", data=self.data, chunks=(5, 5))
        again = zarrc.open_group(zarrc.N5FSStore(url, **self.options), mode="r")
        assert np.array_equal(again["a"][:], self.data)


@pytest.mark.service
def test_a_site_that_refuses_what_it_does_not_have(http_server):
    services.module("aiohttp")
    zarrc.save(str(http_server.folder / "files" / "refusing"), np.arange(10))
    with servers.proxy(http_server.port) as proxy:
        proxy.tell(fault="status", status=403, match=r"zarr\.json|\.zattrs|\.zgroup")
        url = f"{proxy.url}/files/refusing"
        with pytest.raises(PermissionError):
            zarrc.open(url, mode="r")
        lenient = FSStore(url, exceptions=(KeyError, FileNotFoundError, PermissionError))
        assert np.array_equal(zarrc.open(lenient, mode="r")[:], np.arange(10))
        proxy.tell(clear=True, fault="status", status=500)
        with pytest.raises(StoreError):
            zarrc.open(lenient, mode="r")
