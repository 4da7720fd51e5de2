"""Settings of the running process.

``config`` is a mapping of dotted names to values. ``config.set`` changes some,
for good or, as a context manager, for the block. Environment variables give
other defaults: ``ZARRC_`` and the name in capitals, with ``__`` for the dot, as in
``ZARRC_THREADING__MAX_WORKERS=4``; ``ZARRC_NUM_THREADS`` is a short name of that one.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from typing import Any

DEFAULTS: dict[str, Any] = {
    "default_zarr_format": None,  # 2 or 3; None: as the function that is called says
    "array.order": "C",  # memory layout of arrays returned
    "array.write_empty_chunks": None,  # None: True for format 2, False for format 3
    "array.fill_missing_chunks": True,
    "array.target_shard_size_bytes": None,  # decoded, of shards="auto"; None: 32 MiB
    "array.chunk_cache": None,  # bytes of decoded chunks that arrays may keep together, or a ChunkCache
    "threading.max_workers": None,  # None: as many as the process has CPUs
    "async.concurrency": 64,
    "async.timeout": None,  # seconds that a request of FSStore may take with all that is tried; None: no limit
    "json_indent": 2,  # of format 3's documents; None: without line breaks
    "json_strict": False,  # refuse NaN and infinities in attributes
    "allow_pickle": False,
    "storage.overwrite_foreign": False,  # let overwriting wipe local directories that are not Zarr's
    "codecs.max_decoded_nbytes": None,  # most bytes that a Python codec may decode to; None: the metadata say
}

ALIASES = {"array.read_missing_chunks": "array.fill_missing_chunks"}

# a name that is not known is a typing error, but in sections that have settings of zarr-python's alone
_SECTIONS = {"async", "buffer", "codec_pipeline", "codecs", "ndbuffer", "threading"}
_MISSING = object()


class Config:
    """Named settings; see the module's docstring.

    Examples
    --------
    >>> config = Config({"array.order": "C"})
    >>> with config.set({"array.order": "F"}):
    ...     config.get("array.order")
    'F'
    >>> config.get("array.order")
    'C'
    """

    def __init__(self, defaults: Mapping[str, Any]) -> None:
        self._defaults = dict(defaults)
        self._values: dict[str, Any] = {}
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Go back to the defaults and what the environment says now."""
        with self._lock:
            self._values = {**self._defaults, **_from_environment()}

    refresh = reset

    @property
    def defaults(self) -> list[dict[str, Any]]:
        """What the settings are where nobody says anything: one dict, with a dict for each section."""
        nested: dict[str, Any] = {}
        for name, value in self._defaults.items():
            section, _, last = name.rpartition(".")
            (nested.setdefault(section, {}) if section else nested)[last] = value
        return [nested]

    def get(self, name: str, default: Any = _MISSING) -> Any:
        """The value of a setting.

        Parameters
        ----------
        name : str
            Its dotted name. The name of a section gives a dict of its settings.
        default : object, optional
            What to give if it is not set.

        Raises
        ------
        KeyError
            It is not set, and no default is given.
        """
        try:
            return self._values[name]
        except KeyError:
            return self._get_other(name, default)

    def _get_other(self, name: str, default: Any) -> Any:
        name = ALIASES.get(name, name)
        if name in self._values:
            return self._values[name]
        section = {key[len(name) + 1 :]: v for key, v in self._values.items() if key.startswith(f"{name}.")}
        if section:
            return section
        if default is _MISSING:
            raise KeyError(name)
        return default

    def set(self, values: Mapping[str, Any] | None = None, **more: Any) -> _Restore:
        """Change settings, until the end of the block if used as a context manager.

        Parameters
        ----------
        values : mapping
            Dotted names to values; a mapping as value is a section.
        **more
            The same, with ``__`` for the dot.

        Raises
        ------
        ValueError
            A name is neither a setting nor in a known section.
        """
        changes = _flatten({**(values or {}), **{k.replace("__", "."): v for k, v in more.items()}})
        for name in changes:
            self._check(name)
        with self._lock:
            before = {name: self._values.get(name, _MISSING) for name in changes}
            self._values = {**self._values, **changes}
        return _Restore(self, before)

    def _check(self, name: str) -> None:
        if name not in self._defaults and name.split(".")[0] not in _SECTIONS:
            raise ValueError(f"unknown setting {name!r}; known are {', '.join(sorted(self._defaults))}")

    def _restore(self, before: Mapping[str, Any]) -> None:
        with self._lock:
            values = {**self._values, **before}
            self._values = {name: value for name, value in values.items() if value is not _MISSING}

    def __getitem__(self, name: str) -> Any:
        return self.get(name)

    def __contains__(self, name: str) -> bool:
        try:
            self.get(name)
        except KeyError:
            return False
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(dict(self._values))

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"<zarrc.config {self._values!r}>"


class _Restore:
    """Puts settings back at the end of a ``with`` block."""

    def __init__(self, config: Config, before: Mapping[str, Any]) -> None:
        self._config = config
        self._before = before

    def __enter__(self) -> Config:
        return self._config

    def __exit__(self, exc_type: object, exc_value: object, traceback: object) -> None:
        self._config._restore(self._before)


def _flatten(values: Mapping[str, Any]) -> dict[str, Any]:
    """Nested sections become dotted names, other spellings the usual one."""
    flat = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat.update(_flatten({f"{name}.{key}": v for key, v in value.items()}))
        else:
            flat[ALIASES.get(name, name)] = value
    return flat


def _from_environment() -> dict[str, Any]:
    """Settings that environment variables give; what names no setting is left to others."""
    found = {}
    for name in DEFAULTS:
        text = os.environ.get("ZARRC_" + name.replace(".", "__").upper())
        if text is not None:
            found[name] = _parse(text)
    text = os.environ.get("ZARRC_NUM_THREADS")
    if text is not None:
        found.setdefault("threading.max_workers", _parse(text))
    return found


def _parse(text: str) -> Any:
    """A word for true, false or none, a JSON value, or the text itself."""
    words = {"true": True, "false": False, "none": None, "": None}
    word = text.strip().lower()
    if word in words:
        return words[word]
    import json

    try:
        return json.loads(text)
    except ValueError:
        return text


config = Config(DEFAULTS)
