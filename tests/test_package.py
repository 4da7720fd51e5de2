"""The package itself: lazy names, what importing it costs, its version."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import services

import zarrc

ROOT = Path(zarrc.__file__).parent


def run(code):
    """Return what a fresh interpreter prints, as JSON."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT.parent
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", zarrc.__all__)
def test_every_public_name_is_there(name):
    assert getattr(zarrc, name) is not None
    assert name in dir(zarrc)


@pytest.mark.parametrize("module", [name for name in zarrc._MODULES if name != "config"])
def test_modules_are_attributes(module):
    assert getattr(zarrc, module) is import_module(f"zarrc.{module}")


def test_module_names_of_other_generations():
    from zarrc import registry, util
    from zarrc.api import synchronous

    assert all(getattr(synchronous, name) is getattr(zarrc, name) for name in synchronous.__all__)
    assert all(hasattr(util, name) for name in util.__all__)
    assert registry.get_codec_class("zstd") is zarrc.codecs.ZstdCodec


def test_documents_under_the_module_name_of_version_2():
    from zarrc import meta

    z = zarrc.full((4, 5), 3, chunks=2, dtype="i4", filters=[zarrc.Delta("i4")], order="F")
    document = z.store[".zarray"]
    found = meta.decode_array_metadata(document)
    assert (found["shape"], found["dtype"], found["fill_value"]) == ((4, 5), np.dtype("i4"), 3)
    assert found["filters"] == [{"id": "delta", "dtype": "<i4", "astype": "<i4"}]
    assert meta.encode_array_metadata(found) == document
    assert meta.json_loads(meta.encode_array_metadata(found | {"filters": []}))["filters"] == []
    dtype, chunks = np.dtype(("f8", (2, 3))), (4, 2, 3)
    unpacked = meta.decode_array_metadata(
        meta.encode_array_metadata(found | {"dtype": dtype, "shape": (9,), "chunks": chunks, "filters": None})
    )
    assert (unpacked["shape"], unpacked["dtype"]) == ((9, 2, 3), np.dtype("f8"))
    assert meta.decode_group_metadata(meta.encode_group_metadata()) == {"zarr_format": 2}
    assert meta.parse_metadata(document) == meta.json_loads(document)
    dtype = np.dtype([("a", "i4"), ("b", "S3", (2,))])
    assert meta.decode_dtype(meta.encode_dtype(dtype)) == dtype
    assert meta.encode_fill_value(np.nan, np.dtype("f4")) == "NaN"
    assert meta.decode_fill_value("YWI=", np.dtype("S2")) == b"ab"


def test_config_is_the_settings_and_not_their_module():
    code = "import zarrc, zarrc.storage, json; print(json.dumps(zarrc.config.get('array.order')))"
    assert run(code) == "C"


def test_unknown_names():
    with pytest.raises(AttributeError, match="'zarrc' has no attribute 'nothing'"):
        zarrc.nothing  # noqa: B018


def test_importing_loads_next_to_nothing():
    code = "import sys, json; import zarrc; print(json.dumps(sorted(m for m in sys.modules)))"
    loaded = run(code)
    assert [name for name in loaded if name.startswith("zarrc")] == ["zarrc", "zarrc.config", "zarrc.version"]
    assert not {"numcodecs", "fsspec", "asyncio", "tempfile", "hashlib", "uuid", "inspect"} & set(loaded)


def test_using_arrays_does_not_load_numcodecs():
    code = (
        "import sys, json, zarrc\n"
        "z = zarrc.zeros((10, 10), chunks=5)\n"
        "z[:] = 1\n"
        "zarrc.create_array({}, shape=10, dtype='i4')[:3]\n"
        "zarrc.group().zeros('a', shape=3)\n"
        "print(json.dumps(sorted(m for m in sys.modules)))"
    )
    assert not {"numcodecs", "fsspec", "asyncio"} & set(run(code))


def test_the_stub_names_what_the_package_has():
    stub = ast.parse((ROOT / "__init__.pyi").read_text())
    named = {
        alias.asname: f".{node.module}"
        for node in stub.body
        if isinstance(node, ast.ImportFrom) and node.level == 1
        for alias in node.names
    }
    assert named == {name: f".{module}" for name, module in zarrc._NAMES.items()} | {
        "__version__": ".version"
    }


def test_version():
    project = tomllib.loads((services.ROOT / "pyproject.toml").read_text())["project"]
    assert zarrc.__version__ == project["version"]


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("zarrc.api.synchronous", "Array Group consolidate_metadata create_hierarchy open_consolidated"),
        ("zarrc.codecs.bytes", "BytesCodec Endian"),
        ("zarrc.codecs.crc32c_", "Crc32cCodec"),
        ("zarrc.codecs.sharding", "ShardingCodec ShardingCodecIndexLocation"),
        ("zarrc.codecs.vlen_utf8", "VLenBytesCodec VLenUTF8Codec"),
        ("zarrc.codecs.numcodecs", "Delta LZMA FixedScaleOffset"),
        ("zarrc.dtype", "Int8 VariableLengthUTF8 parse_dtype"),
        (
            "zarrc.errors",
            "BaseZarrError MetadataValidationError UnstableSpecificationWarning ZarrUserWarning",
        ),
        ("zarrc.registry", "get_codec_class get_numcodec register_codec"),
        ("zarrc.storage", "LocalStore MemoryStore StorePath ZipStore"),
        ("zarrc.types", "AnyArray StoreLike ZarrFormat"),
    ],
)
def test_module_paths_of_version_3(module, names):
    from importlib import import_module

    for name in names.split():
        assert getattr(import_module(module), name) is not None
