from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

import zarrc
from zarrc.config import DEFAULTS, config


@pytest.fixture(autouse=True)
def restored():
    yield
    config.reset()


def test_is_an_object_of_the_package():
    assert zarrc.config is config
    code = "import zarrc.creation, zarrc; zarrc.config.set({'array.order': 'F'})"
    subprocess.run([sys.executable, "-c", code], check=True, env=environment())


def environment(**more):
    plain = {name: value for name, value in os.environ.items() if not name.startswith("ZARRC_")}
    return {**plain, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path), **more}


def test_defaults():
    assert config.get("default_zarr_format") is None
    assert config.get("array.order") == "C"
    assert config.get("array.write_empty_chunks") is None
    assert config.get("array.fill_missing_chunks") is True
    assert config.get("allow_pickle") is False
    assert config.get("json_strict") is False
    assert set(config) == set(DEFAULTS)
    assert len(config) == len(DEFAULTS)


def test_set_and_reset():
    config.set({"array.order": "F"})
    assert config["array.order"] == "F"
    config.reset()
    assert config["array.order"] == "C"


def test_as_context_manager():
    config.set({"threading.max_workers": 3})
    with config.set(
        {"array": {"order": "F", "write_empty_chunks": True}, "threading.max_workers": 1}
    ) as same:
        assert same is config
        assert config.get("array.order") == "F"
        assert config.get("array.write_empty_chunks") is True
        with config.set(array__order="C", json_strict=True):
            assert (config.get("array.order"), config.get("json_strict")) == ("C", True)
        assert (config.get("array.order"), config.get("json_strict")) == ("F", False)
    assert config.get("array.order") == "C"
    assert config.get("threading.max_workers") == 3


def test_restored_after_an_error():
    with pytest.raises(ZeroDivisionError), config.set({"array.order": "F"}):
        1 / 0  # noqa: B018
    assert config.get("array.order") == "C"


def test_restores_only_what_it_changed():
    with config.set({"array.order": "F"}):
        config.set({"json_strict": True})
    assert (config.get("array.order"), config.get("json_strict")) == ("C", True)


def test_missing():
    with pytest.raises(KeyError):
        config.get("nothing")
    assert config.get("nothing", 5) == 5
    assert config.get("nothing", None) is None
    assert "nothing" not in config
    assert "array.order" in config


def test_sections():
    assert config.get("threading") == {"max_workers": config.get("threading.max_workers")}
    with config.set({"codec_pipeline.batch_size": 1, "codec_pipeline.path": 2}):
        assert config.get("codec_pipeline.batch_size") == 1
    assert "codec_pipeline.batch_size" not in config
    assert "codec_pipeline.path" not in config


def test_unknown_names():
    with pytest.raises(ValueError, match=r"unknown setting 'aray\.order'.*array\.order"):
        config.set({"aray.order": "F", "json_strict": True})
    with pytest.raises(ValueError, match=r"unknown setting 'array\.ordre'"):
        config.set({"array": {"ordre": "F"}})
    assert config.get("json_strict") is False


def test_other_name_of_fill_missing_chunks():
    with config.set({"array.read_missing_chunks": False}):
        assert config.get("array.fill_missing_chunks") is False
        assert config.get("array.read_missing_chunks") is False
    assert config.get("array.read_missing_chunks") is True


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("ZARRC_THREADING__MAX_WORKERS", "7", "threading.max_workers", 7),
        ("ZARRC_NUM_THREADS", "3", "threading.max_workers", 3),
        ("ZARRC_ARRAY__ORDER", "F", "array.order", "F"),
        ("ZARRC_ALLOW_PICKLE", "True", "allow_pickle", True),
        ("ZARRC_JSON_STRICT", "true", "json_strict", True),
        ("ZARRC_DEFAULT_ZARR_FORMAT", "3", "default_zarr_format", 3),
        ("ZARRC_ARRAY__WRITE_EMPTY_CHUNKS", "None", "array.write_empty_chunks", None),
    ],
)
def test_environment(monkeypatch, variable, text, name, value):
    monkeypatch.setenv(variable, text)
    config.reset()
    assert config.get(name) == value
    with config.set({name: "other"}):
        assert config.get(name) == "other"
    assert config.get(name) == value


def test_environment_is_read_at_the_start():
    code = "import zarrc; print(zarrc.config.get('threading.max_workers'))"
    answer = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(ZARRC_NUM_THREADS="5", ZARRC_UNKNOWN="1"),
        check=True,
        capture_output=True,
        text=True,
    )
    assert answer.stdout.strip() == "5"


def test_longer_name_wins(monkeypatch):
    monkeypatch.setenv("ZARRC_NUM_THREADS", "3")
    monkeypatch.setenv("ZARRC_THREADING__MAX_WORKERS", "4")
    config.reset()
    assert config.get("threading.max_workers") == 4


def test_threads_lose_no_setting():
    def work(number):
        for i in range(200):
            config.set({f"codecs.thread{number}": i})
            assert config.get(f"codecs.thread{number}") == i
            assert set(DEFAULTS) <= set(config)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [config.get(f"codecs.thread{number}") for number in range(4)] == [199] * 4


def test_defaults_as_sections():
    [defaults] = config.defaults
    with config.set({"array.order": "F"}):
        assert config.defaults == [defaults]
    assert defaults["default_zarr_format"] is None
    assert defaults["array"]["order"] == "C"
    assert defaults["async"]["concurrency"] == config.get("async.concurrency")
