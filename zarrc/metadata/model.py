"""The one form that both formats become: what an array or a group is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from zarrc.errors import MetadataError

MAX_SIZE = 2**63 - 1
SHARDING = "sharding_indexed"


@dataclass(frozen=True)
class CodecSpec:
    """A codec as plain data.

    Attributes
    ----------
    name : str
        Its name in format 3: ``"bytes"``, ``"blosc"``, ``"numcodecs.delta"``, …
    configuration : dict
        Its parameters as format 3 spells them; JSON values.
    must_understand : bool
        False: a reader that does not know the codec may leave it out.
    """

    name: str
    configuration: dict = field(default_factory=dict)
    must_understand: bool = True

    def to_dict(self) -> dict[str, Any]:
        """Return the codec as format 3 spells it."""
        from .v3 import encode_codec

        return encode_codec(self)


@dataclass(frozen=True)
class ChunkKeyEncoding:
    """How the coordinates of a chunk become its key.

    Attributes
    ----------
    name : str
        ``"default"`` (``c/0/1``) or ``"v2"`` (``0.1``).
    separator : str
        ``"/"`` or ``"."``.
    """

    name: str
    separator: str

    def __post_init__(self) -> None:
        if self.name not in ("default", "v2"):
            raise MetadataError(f"unknown chunk key encoding {self.name!r}")
        if self.separator not in ("/", "."):
            raise MetadataError(f"separator of chunk keys must be '/' or '.', not {self.separator!r}")


@dataclass(frozen=True, eq=False)
class ArrayMetadata:
    """What an array is, whichever format says so.

    Attributes
    ----------
    zarr_format : int
        2 or 3: the format of the document it came from or goes to.
    shape : tuple of int
    dtype : numpy.dtype
        Of the arrays that users get: in format 2 with the stored byte order,
        in format 3 native and packed. Object for strings and bytes of any length.
    chunk_shape : tuple of int
        What one key holds; each at least 1.
    fill_value : scalar of `dtype`, any object for dtype object, or None
        None is the null of format 2: zeros, or None for objects. Format 2 has
        a word for NaN: one with other bits becomes the usual one.
    codecs : tuple of CodecSpec
        In the order of encoding.
    chunk_key_encoding : ChunkKeyEncoding
    attributes : dict
    axis_names : tuple of (str or None), or None
        Format 3's ``dimension_names``.
    extra : dict
        Fields of the document that are unknown but allowed; written back as
        they came. In format 2 ``extra["dimension_separator"]`` says that the
        document spells out the separator even where it is ``"."``.
    data_type : str, dict or None
        The format 3 data type as the document spells it, where that is not
        the spelling that `dtype` alone would get: ``"r16"``, ``"string"``,
        ``"variable_length_bytes"``, ``{"name": "struct", …}``. It decides
        how the fill value is spelled, too.

    Raises
    ------
    MetadataError
        On construction: a field is wrong, or two contradict each other.
    """

    zarr_format: int
    shape: tuple[int, ...]
    dtype: np.dtype
    chunk_shape: tuple[int, ...]
    fill_value: Any
    codecs: tuple[CodecSpec, ...]
    chunk_key_encoding: ChunkKeyEncoding
    attributes: dict = field(default_factory=dict)
    axis_names: tuple[str | None, ...] | None = None
    extra: dict = field(default_factory=dict)
    data_type: str | dict | None = None

    def __post_init__(self) -> None:
        validate(self)
        if self.zarr_format == 2 and isinstance(self.fill_value, np.inexact):
            object.__setattr__(self, "fill_value", _with_usual_nans(self.fill_value))

    def __eq__(self, other: object) -> bool:
        """Say whether all fields are equal, fill values bit by bit: NaN is NaN, -0.0 is not 0.0."""
        if not isinstance(other, ArrayMetadata):
            return NotImplemented
        mine, theirs = dict(vars(self)), dict(vars(other))
        fill_values = mine.pop("fill_value"), theirs.pop("fill_value")
        return mine == theirs and _same_bits(*fill_values)

    __hash__ = None  # type: ignore[assignment]

    @property
    def dimension_names(self) -> tuple[str | None, ...] | None:
        """`axis_names`, but of format 3 alone.

        Raises
        ------
        AttributeError
            In format 2, which has no such names: by this, programs such as xarray tell the formats apart.
        """
        if self.zarr_format == 2:
            raise AttributeError("arrays of format 2 have no dimension_names")
        return self.axis_names

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def sharding(self) -> CodecSpec | None:
        """The codec that keeps many chunks under one key, if the chain has one."""
        return next((spec for spec in self.codecs if spec.name == SHARDING), None)

    @property
    def has_shards_alone(self) -> bool:
        """Whether keeping chunks under one key is all that the chain does, so that each can be found there."""
        return len(self.codecs) == 1 and self.codecs[0].name == SHARDING

    @property
    def inner_chunk_shape(self) -> tuple[int, ...]:
        """Shape of what is encoded alone, along the axes of the array: `chunk_shape` where nothing is sharded."""
        sharding = self.sharding
        if sharding is None:
            return self.chunk_shape
        lengths = tuple(sharding.configuration["chunk_shape"])
        for spec in reversed(self.codecs[: self.codecs.index(sharding)]):
            lengths = _before(spec, lengths)
        return lengths

    @property
    def grid_shape(self) -> tuple[int, ...]:
        """Number of keys along each axis."""
        return tuple(-(-size // chunk) for size, chunk in zip(self.shape, self.chunk_shape, strict=True))

    @property
    def inner_grid_shape(self) -> tuple[int, ...]:
        """Number of chunks along each axis; as `grid_shape` where nothing is sharded."""
        return tuple(
            -(-size // chunk) for size, chunk in zip(self.shape, self.inner_chunk_shape, strict=True)
        )

    @property
    def nchunks(self) -> int:
        """Number of keys in the grid, stored or not."""
        return math.prod(self.grid_shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Size of all elements in bytes, decoded."""
        return self.size * self.dtype.itemsize

    @property
    def chunk_nbytes(self) -> int:
        """Size of one whole chunk in bytes, decoded."""
        return math.prod(self.chunk_shape) * self.dtype.itemsize

    @property
    def order(self) -> str:
        """Layout of elements in a chunk: ``"F"`` where format 2 says so, else ``"C"``."""
        reversed_axes = self.zarr_format == 2 and self.codecs and is_reversal(self.codecs[0], self.ndim)
        return "F" if reversed_axes else "C"

    def to_dict(self) -> dict[str, Any]:
        """Return what the documents of the array say, attributes inside, as JSON values."""
        from .plain import to_dict

        return to_dict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> ArrayMetadata:
        """Return the array that such a dict describes.

        Raises
        ------
        MetadataError
            A key is missing or wrong, or it is no array.
        """
        from .plain import from_dict

        found = from_dict(content)
        if not isinstance(found, cls):
            raise MetadataError(f"{sorted(content)} do not describe an array")
        return found


@dataclass(frozen=True)
class ConsolidatedMetadata:
    """What is known of all nodes below a group that was opened by its consolidated metadata.

    Attributes
    ----------
    metadata : dict of str to ArrayMetadata or GroupMetadata
        By their paths below the group.
    kind : str
    must_understand : bool
    """

    metadata: dict[str, ArrayMetadata | GroupMetadata]
    kind: str = "inline"
    must_understand: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return it as format 3 spells it."""
        nodes = {path: node.to_dict() for path, node in self.metadata.items()}
        return {"kind": self.kind, "must_understand": self.must_understand, "metadata": nodes}


@dataclass(frozen=True)
class GroupMetadata:
    """What a group is, whichever format says so.

    Attributes
    ----------
    zarr_format : int
        2 or 3.
    attributes : dict
    extra : dict
        Fields of the document that are unknown but allowed.
    consolidated_metadata : ConsolidatedMetadata, dict or None
        The metadata of all nodes below, where the group was opened by these; a document's own, as JSON data.
    """

    zarr_format: int = 3
    attributes: dict = field(default_factory=dict)
    extra: dict = field(default_factory=dict)
    consolidated_metadata: ConsolidatedMetadata | dict | None = None

    def __post_init__(self) -> None:
        _check_format(self.zarr_format)

    def to_dict(self) -> dict[str, Any]:
        """Return what the documents of the group say, attributes inside, as JSON values."""
        from .plain import to_dict

        return to_dict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> GroupMetadata:
        """Return the group that such a dict describes.

        Raises
        ------
        MetadataError
            A key is missing or wrong, or it is no group.
        """
        from .plain import from_dict

        found = from_dict(content)
        if not isinstance(found, cls):
            raise MetadataError(f"{sorted(content)} do not describe a group")
        return found


def with_attributes(meta: ArrayMetadata, attributes: dict) -> ArrayMetadata:
    """Return `meta` with other attributes; nothing is checked again, and other fields are shared."""
    other = object.__new__(ArrayMetadata)
    vars(other).update(vars(meta))
    vars(other)["attributes"] = attributes
    return other


def with_shape(meta: ArrayMetadata, shape: tuple[int, ...]) -> ArrayMetadata:
    """Return `meta` with another shape, which is checked; other fields are shared, and are not.

    Raises
    ------
    MetadataError
        It cannot be the shape of such an array.
    """
    other = object.__new__(ArrayMetadata)
    vars(other).update(vars(meta))
    vars(other)["shape"] = shape
    _check_shape(other)
    return other


def alike(one: ArrayMetadata, other: ArrayMetadata) -> bool:
    """Say whether two arrays differ in nothing but shape, of as many axes, and attributes."""
    return one.ndim == other.ndim and with_shape(with_attributes(one, other.attributes), other.shape) == other


def _with_usual_nans(value: np.inexact) -> np.inexact:
    if not np.isnan(value):
        return value
    parts = np.array([value]).view(value.real.dtype)
    parts[np.isnan(parts)] = np.nan
    return parts.view(value.dtype)[0]


def _same_bits(one: Any, other: Any) -> bool:
    if isinstance(one, np.generic) and isinstance(other, np.generic):
        return one.dtype == other.dtype and one.tobytes() == other.tobytes()
    return type(one) is type(other) and one == other


def is_reversal(spec: CodecSpec, ndim: int) -> bool:
    """Say whether a codec is the transpose that reverses all of `ndim` axes."""
    return spec.name == "transpose" and spec.configuration.get("order") == list(range(ndim))[::-1]


def _before(spec: CodecSpec, lengths: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of which a codec makes one of `lengths`: transposes alone change it."""
    if spec.name != "transpose":
        return lengths
    order = spec.configuration["order"]
    if isinstance(order, str):
        return lengths if order == "C" else lengths[::-1]
    return tuple(length for _, length in sorted(zip(order, lengths, strict=True)))


def validate(meta: ArrayMetadata) -> None:
    """Raise a MetadataError that names the field where `meta` is wrong."""
    _check_format(meta.zarr_format)
    _check_dtype(meta.dtype)
    _check_sizes("chunk_shape", meta.chunk_shape, smallest=1)
    _check_shape(meta)
    if meta.chunk_nbytes > MAX_SIZE:
        raise MetadataError(f"chunk_shape {meta.chunk_shape} of {meta.dtype} is larger than 2**63 - 1 bytes")
    _check_sharding(meta)
    if meta.axis_names is not None and len(meta.axis_names) != meta.ndim:
        raise MetadataError(f"dimension_names {meta.axis_names} and shape {meta.shape} differ in number")


def _check_shape(meta: ArrayMetadata) -> None:
    _check_sizes("shape", meta.shape, smallest=0)
    if len(meta.shape) != len(meta.chunk_shape):
        raise MetadataError(f"chunk_shape {meta.chunk_shape} and shape {meta.shape} differ in number of axes")
    if meta.nbytes > MAX_SIZE:
        raise MetadataError(f"shape {meta.shape} of {meta.dtype} is larger than 2**63 - 1 bytes")


def _check_sharding(meta: ArrayMetadata) -> None:
    sharding = meta.sharding
    if sharding is None:
        return
    inner = sharding.configuration.get("chunk_shape")
    if not isinstance(inner, list | tuple):
        raise MetadataError(f"chunk_shape of codec {SHARDING!r} must be a list of integers, not {inner!r}")
    _check_sizes(f"chunk_shape of codec {SHARDING!r}", tuple(inner), smallest=1)
    try:
        meta.inner_chunk_shape  # noqa: B018
    except (KeyError, TypeError, ValueError) as error:
        raise MetadataError(f"the codecs before {SHARDING!r} do not fit its chunk_shape {inner}") from error
    if len(inner) != meta.ndim:
        raise MetadataError(
            f"chunk_shape {inner} of codec {SHARDING!r} and shape {meta.shape} differ in number of axes"
        )


def _check_format(zarr_format: object) -> None:
    if zarr_format not in (2, 3):
        raise MetadataError(f"zarr_format must be 2 or 3, not {zarr_format!r}")


def _check_dtype(dtype: object) -> None:
    if not isinstance(dtype, np.dtype):
        raise MetadataError(f"dtype must be a numpy.dtype, not {dtype!r}")
    if dtype.itemsize == 0:
        raise MetadataError(f"dtype {dtype.str!r} has no bytes")
    if dtype.subdtype is not None:
        raise MetadataError(f"dtype {dtype} is a sub-array: its axes belong to the shape")


def _check_sizes(name: str, values: tuple[int, ...], smallest: int) -> None:
    if not isinstance(values, tuple):
        raise MetadataError(f"{name} must be a tuple of integers, not {values!r}")
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int):
            raise MetadataError(f"{name} must be a tuple of integers, not {values!r}")
        if not smallest <= value <= MAX_SIZE:
            raise MetadataError(f"{name} {values} has a size that is not from {smallest} to 2**63 - 1")


def inner_codecs(sharding: CodecSpec) -> tuple[CodecSpec, ...]:
    """Return the codecs of a shard's chunks."""
    from .v3 import decode_codecs

    return decode_codecs(sharding.configuration["codecs"])


def inner_codec_names(sharding: CodecSpec) -> list[str]:
    """Return the names of the codecs of a shard's chunks, as far as they have any."""
    codecs = sharding.configuration.get("codecs") or ()
    return [codec if isinstance(codec, str) else codec.get("name", "") for codec in codecs]


def with_inner_codecs(sharding: CodecSpec, codecs: Iterable[CodecSpec]) -> CodecSpec:
    """Return a sharding codec with other codecs of its chunks."""
    plain = [codec.to_dict() for codec in codecs]
    return replace(sharding, configuration={**sharding.configuration, "codecs": plain})
