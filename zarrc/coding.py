"""What users say about codecs, in the words of either generation, as one chain.

The chain is what the model holds: array-to-array codecs, the one codec that
makes bytes, bytes-to-bytes codecs, in the order of encoding. Objects of
numcodecs, of `zarrc.codecs` and dicts are taken for both formats.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .codecs import chain, registry
from .codecs.base import ARRAY_TO_ARRAY, ARRAY_TO_BYTES, BYTES_TO_BYTES
from .errors import BadCompressorError
from .metadata import v2
from .metadata.alike import is_plain
from .metadata.documents import dump, load
from .metadata.fill_values import EncodedFill
from .metadata.model import SHARDING, ArrayMetadata, CodecSpec

Specs = tuple[CodecSpec, ...]

FORMAT_3_COMPRESSOR = CodecSpec("zstd", {"level": 0, "checksum": False})
OBJECT_TYPES = {"vlen-utf8": "string", "vlen-bytes": "variable_length_bytes"}


@dataclass(frozen=True)
class Coding:
    """What a user said about turning chunks into bytes.

    Each is "default" or "auto" where nothing was said, None or an empty sequence
    for no codec, else a codec or, where several can be, a sequence of them.
    """

    compressor: Any = "default"
    compressors: Any = "auto"
    filters: Any = "auto"
    serializer: Any = "auto"
    codecs: Any = None


def build_specs(
    coding: Coding, object_codec: Any, zarr_format: int, dtype: np.dtype, ndim: int, order: str = "C"
) -> Specs:
    """Return the codecs of a new array.

    Parameters
    ----------
    coding : Coding
    object_codec : codec or None
        What turns objects into bytes, where `dtype` has any.
    zarr_format : int
    dtype : dtype
        The array's, in the byte order in which it shall be stored.
    ndim : int
        Number of axes.
    order : {"C", "F"}
        Layout of a stored chunk; "F" is for format 2 alone.

    Raises
    ------
    TypeError, ValueError
        When two arguments contradict each other, or one has no meaning for the format.
    BadCompressorError
        When something that is not a codec was given as one.
    """
    _refuse_contradictions(coding)
    object_codec = _object_codec(object_codec, coding, dtype)
    if zarr_format == 2:
        return _format_2(coding, object_codec, ndim, order)
    return _format_3(coding, object_codec, dtype)


def shard(codecs: Specs, chunk_shape: tuple[int, ...], **index: Any) -> Specs:
    """Return the chain that keeps chunks, each encoded by `codecs`, in shards; `index` is what is said about theirs."""
    from .codecs.sharding import ShardingCodec

    sharding = ShardingCodec(chunk_shape, codecs, **index)
    return (CodecSpec(sharding.name, sharding.configuration()),)


def complete(metadata: ArrayMetadata) -> ArrayMetadata:
    """Return metadata whose codecs say all that follows from the chunks.

    Raises
    ------
    MetadataError
        When the codecs are in an order that cannot be, or a configuration is wrong.
    """
    key = (
        metadata.zarr_format,
        chain.cache_key(metadata.codecs),
        metadata.chunk_shape,
        metadata.dtype,
    )
    codecs = _completed.get(key)
    if codecs is None:
        codecs = _complete(metadata)
        chain.remember(_completed, key, codecs)
    return metadata if codecs == metadata.codecs else replace(metadata, codecs=codecs)


_completed: dict[tuple[Any, ...], Specs] = {}


def _complete(metadata: ArrayMetadata) -> Specs:
    evolved = chain.evolve_codecs(metadata.codecs, metadata.chunk_shape, metadata.dtype)
    return tuple(
        spec if _says_all(spec, metadata) else CodecSpec(each.name, each.configuration())
        for spec, each in zip(metadata.codecs, evolved, strict=True)
    )


def _says_all(spec: CodecSpec, metadata: ArrayMetadata) -> bool:
    """Whether a codec stays as it was given; format 2 has an automatic shuffle, no typesize and no `bytes`."""
    if metadata.zarr_format == 3:
        return False
    return spec.name != "blosc" or "shuffle" in spec.configuration


def is_unsaid(value: Any) -> bool:
    """Whether an argument is the word for "what is usual"."""
    return isinstance(value, str) and value in ("default", "auto")


def _refuse_contradictions(coding: Coding) -> None:
    if not is_unsaid(coding.compressor) and not is_unsaid(coding.compressors):
        raise ValueError("compressor= and compressors= contradict each other: give one of them")
    if coding.codecs is None:
        return
    words = ("compressor", "compressors", "filters", "serializer")
    said = [word for word in words if not is_unsaid(getattr(coding, word))]
    if said:
        raise ValueError(f"codecs= is the whole chain: leave out {', '.join(f'{word}=' for word in said)}")


def _object_codec(object_codec: Any, coding: Coding, dtype: np.dtype) -> CodecSpec | None:
    """Return the codec of objects; None where there are none, or where filters are to do it."""
    if not dtype.hasobject:
        if object_codec is not None:
            _warn("an object_codec is only needed for object arrays")
        return None
    if object_codec is not None:
        return _spec(object_codec)
    if coding.codecs is None and not _several(coding.filters) and is_unsaid(coding.serializer):
        raise ValueError("missing object_codec for object array")
    if coding.codecs is None and is_unsaid(coding.serializer):
        _warn(
            "missing object_codec for object array: the first of the filters is taken for it", FutureWarning
        )
    return None


def _format_2(coding: Coding, object_codec: CodecSpec | None, ndim: int, order: str) -> Specs:
    if not is_unsaid(coding.serializer) and coding.serializer is not None:
        raise ValueError(
            "Zarr format 2 arrays do not support `serializer`. serializer= is for format 3; "
            "in format 2 the byte order is that of dtype=, "
            "and object_codec= turns objects into bytes"
        )
    filters, compressors = _several(coding.filters), _compressors(coding, 2, ndim)
    if coding.codecs is not None:
        filters, compressors = _split_for_format_2(_several(coding.codecs))
    if any(spec.name == SHARDING for spec in (*filters, *compressors)):
        raise ValueError("shards are for format 3: format 2 keeps each chunk under a key of its own")
    if len(compressors) > 1:
        raise TypeError(f"format 2 arrays have a single compressor, {len(compressors)} were given")
    filters = tuple(_as_filter(spec) for spec in filters)
    if object_codec is not None:
        object_codec = _as_filter(object_codec)
        filters = (object_codec, *_without_first(object_codec, filters))
    *layout, serializer = v2.decode_chain(order, None, None, ndim)
    return (*layout, *filters, serializer, *compressors)


def _without_first(object_codec: CodecSpec | None, filters: Specs) -> Specs:
    """Return filters but for the codec of objects, which those of another array may begin with."""
    if object_codec is not None and filters and _as_filter(filters[0]) == _as_filter(object_codec):
        return filters[1:]
    return filters


def _as_filter(spec: CodecSpec) -> CodecSpec:
    """Return a codec under the name that it has as a filter of format 2: numcodecs' own."""
    return v2.decode_filter(v2.encode_codec(spec)) if spec.name in v2.NAMES else spec


def _split_for_format_2(specs: Specs) -> tuple[Specs, Specs]:
    """Return a whole chain as filters and compressors: parted at `bytes`, else before the last codec."""
    for n, spec in enumerate(specs):
        if spec.name == "bytes":
            return specs[:n], specs[n + 1 :]
    if specs and registry.kind(specs[-1]) == BYTES_TO_BYTES:
        return specs[:-1], specs[-1:]
    return specs, ()


def _format_3(coding: Coding, object_codec: CodecSpec | None, dtype: np.dtype) -> Specs:
    if coding.codecs is not None:
        return _with_serializer(_several(coding.codecs), object_codec, dtype)
    filters = _without_first(object_codec, _several(coding.filters))
    _check_kinds("filters", filters, ARRAY_TO_ARRAY)
    compressors = _compressors(coding, 3, None)
    _check_kinds("compressors", compressors, BYTES_TO_BYTES)
    usual = is_unsaid(coding.serializer)
    serializer = _usual_serializer(object_codec, dtype) if usual else _spec(coding.serializer)
    if serializer.name == SHARDING and is_unsaid(coding.compressors) and is_unsaid(coding.compressor):
        compressors = ()  # the inner chunks have codecs of their own
    # numcodecs' filters may work on bytes; format 3 has them after the serializer
    before = [spec for spec in filters if registry.kind(spec) == ARRAY_TO_ARRAY]
    after = [spec for spec in filters if registry.kind(spec) != ARRAY_TO_ARRAY]
    return (*before, serializer, *after, *compressors)


def _with_serializer(specs: Specs, object_codec: CodecSpec | None, dtype: np.dtype) -> Specs:
    """Return a chain with the usual serializer where it has none: after the last array-to-array codec."""
    kinds = [registry.kind(spec) for spec in specs]
    if ARRAY_TO_BYTES in kinds:
        return specs
    n = kinds.index(BYTES_TO_BYTES) if BYTES_TO_BYTES in kinds else len(specs)
    return (*specs[:n], _usual_serializer(object_codec, dtype), *specs[n:])


def _usual_serializer(object_codec: CodecSpec | None, dtype: np.dtype) -> CodecSpec:
    """Return what makes bytes: objects' own codec, or the bytes codec in the byte order of `dtype`."""
    if dtype.hasobject:
        return _object_serializer(object_codec)
    return CodecSpec("bytes", {"endian": "big" if dtype.str[0] == ">" else "little"})


def _object_serializer(object_codec: CodecSpec | None) -> CodecSpec:
    name = "" if object_codec is None else object_codec.name.removeprefix(registry.PREFIX)
    if name not in OBJECT_TYPES:
        raise ValueError(
            "format 3 has data types for strings and for bytes, dtype=str and dtype=bytes; "
            f"no other objects can be stored, found {object_codec}"
        )
    return CodecSpec(name)


def object_data_type(codecs: Specs, dtype: np.dtype) -> str | None:
    """Return the format 3 data type of objects that a chain can store; None for data types of fixed size."""
    if dtype.kind != "O":
        return None
    return {str: "string", bytes: "variable_length_bytes"}.get(shorthand(codecs))


def shorthand(codecs: Specs) -> Any:
    """Return the data type that stands for a chain's objects: `str`, `bytes` or ``"array:T"``; None: another kind."""
    for codec in _with_inner_ones(
        [{"name": spec.name, "configuration": spec.configuration} for spec in codecs]
    ):
        name = codec["name"].removeprefix(registry.PREFIX)
        if name == "vlen-array":
            return f"array:{codec['configuration']['dtype']}"
        if name in OBJECT_TYPES:
            return str if name == "vlen-utf8" else bytes
    return None


def encoded_fill(record: Any, codecs: Specs) -> EncodedFill:
    """Return a record that holds objects as the first of the codecs but a transpose makes bytes of it."""
    first: Any = next(registry.get_codec(spec) for spec in codecs if spec.name != "transpose")
    return EncodedFill.of(first.numcodecs_codec().encode(record))


def _with_inner_ones(codecs: list[Any]) -> Iterator[dict[str, Any]]:
    """Yield codecs as format 3 spells them, and those inside of shards."""
    for codec in codecs:
        yield {"name": codec} if isinstance(codec, str) else codec
        if isinstance(codec, dict):
            yield from _with_inner_ones((codec.get("configuration") or {}).get("codecs", []))


def _compressors(coding: Coding, zarr_format: int, ndim: int | None) -> Specs:
    """Return the compressors that were given in either spelling, or the usual one."""
    if zarr_format == 2 and ndim == 0 and is_unsaid(coding.compressors):
        return ()  # one cell gains nothing: zarr-python 2 leaves out also what `compressor=` asks for
    given = coding.compressors if is_unsaid(coding.compressor) else coding.compressor
    if not is_unsaid(given):
        return () if isinstance(given, str) and given == "none" else _several(given)
    if zarr_format == 3:
        return (FORMAT_3_COMPRESSOR,)
    return _default_compressor()


def _default_compressor() -> Specs:
    from .storage import default_compressor_config

    return _several(default_compressor_config())


def _several(codecs: Any) -> Specs:
    """Return one codec, a sequence of them, or none, as specs."""
    if codecs is None or is_unsaid(codecs):
        return ()
    if isinstance(codecs, list | tuple):
        return tuple(_spec(codec) for codec in codecs)
    return (_spec(codecs),)


def _spec(codec: Any) -> CodecSpec:
    if isinstance(codec, CodecSpec):
        return codec
    if isinstance(codec, str):
        raise BadCompressorError(codec)
    name, configuration = registry.normalize(codec)
    if not is_plain(configuration):  # NumPy's numbers, say
        configuration = load(dump(configuration, indent=None), f"the configuration of codec {name!r}")
    return CodecSpec(name, configuration)


def _check_kinds(word: str, specs: Specs, kind: str) -> None:
    """Raise TypeError where one of format 3's own codecs is in the wrong place."""
    for spec in specs:
        if not spec.name.startswith(registry.PREFIX) and registry.kind(spec) != kind:
            raise TypeError(f"{word}= takes codecs {kind}; {spec.name!r} is one {registry.kind(spec)}")


def _warn(message: str, category: type[Warning] = UserWarning) -> None:
    import warnings

    warnings.warn(message, category, stacklevel=6)
