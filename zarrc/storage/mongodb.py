"""A store in a collection of a MongoDB database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from zarrc.errors import StoreError, StorePermissionError
from zarrc.storage.base import (
    check_key,
    is_key,
    normalize_storage_path,
    normalize_value,
    unless_overridden,
)
from zarrc.storage.remote import (
    SECONDS,
    RemoteStore,
    at_once,
    batched,
    concurrency,
    hidden,
    secrets_in,
)
from zarrc.storage.requests import Messages, Question

_KEY = "key"  # fields of a document
_VALUE = "value"

MOST_NBYTES = 16 * 1024 * 1024  # of a document, MongoDB's own limit
_NOT_THE_VALUE = 128  # bytes of a document besides its key and value, and some to spare
_BULK_NBYTES = 32 * 1024 * 1024  # of the values that one request writes

_NOT_ALLOWED = (13, 18, 8000)  # MongoDB's codes: unauthorized, authentication failed, and Atlas's own


class MongoDBStore(RemoteStore):
    """Keys and values as documents of a MongoDB collection. Safe to write in many threads and processes.

    Each document has the fields ``key`` and ``value``. The first write of a store makes sure that the
    collection has a unique index of the keys.

    Parameters
    ----------
    database : str
        Name of the database.
    collection : str
        Name of the collection.
    dimension_separator : {".", "/"}, optional
        Separator of the chunk keys of format 2 arrays made in this store.
    read_only : bool
        Whether writes are refused.
    **kwargs
        Passed to `pymongo.MongoClient`: ``host`` (a name or a URL), ``port``, …. ``socketTimeoutMS`` is
        60 seconds if nothing is said of time.

    Raises
    ------
    StoreError, StoreTimeoutError, StorePermissionError
        The server did not answer as it should; not the constructor, but what asks it.

    Notes
    -----
    MongoDB's documents have 16 MiB at most: a longer value raises a ValueError, and chunks are to be
    smaller than that. Many keys are asked for in one message; parts of values are cut from the whole.
    Passwords are not put into pickles: a store with one in its settings cannot be pickled.

    Examples
    --------
    >>> store = MongoDBStore("measurements", "zarr", host="mongodb://localhost:27017")  # doctest: +SKIP
    >>> zarrc.group(store)  # doctest: +SKIP
    """

    __module__ = "zarrc.storage"

    def __init__(
        self,
        database: str = "mongodb_zarr",
        collection: str = "zarr_collection",
        dimension_separator: str | None = None,
        *,
        read_only: bool = False,
        **kwargs: Any,
    ) -> None:
        self._database = database
        self._collection = collection
        self._dimension_separator = dimension_separator
        self.read_only = read_only
        self._kwargs = kwargs
        self._open()

    def _open(self) -> None:
        from bson.binary import UuidRepresentation
        from bson.codec_options import CodecOptions
        from pymongo import MongoClient

        kwargs = dict(self._kwargs)
        if "timeoutMS" not in kwargs:
            kwargs.setdefault("socketTimeoutMS", int(SECONDS * 1000))
        self._secrets = secrets_in(self._kwargs)
        self.client: Any = MongoClient(**kwargs)
        plain: CodecOptions[Any] = CodecOptions(uuid_representation=UuidRepresentation.UNSPECIFIED)
        self.collection = self.client[self._database].get_collection(self._collection, codec_options=plain)
        self._indexed = False
        self.url = f"{self._place()}/{self._database}/{self._collection}"

    def _place(self) -> str:
        """Where the server is, without credentials."""
        host = self._kwargs.get("host") or "localhost"
        if not isinstance(host, str):
            host = ",".join(host)
        if "://" in host:
            scheme, _, rest = host.partition("://")
            servers = rest.partition("?")[0].rpartition("@")[2].partition("/")[0]
            return hidden(f"{scheme}://{servers}", self._secrets)
        port = "" if ":" in host or "," in host else f":{self._kwargs.get('port') or 27017}"
        return hidden(f"mongodb://{host}{port}", self._secrets)

    def __getstate__(self) -> dict[str, Any]:
        if secrets_in(self._kwargs) or "@" in str(self._kwargs.get("host", "")):
            raise TypeError("a MongoDBStore with a password is not pickled, as the pickle would show it")
        names = ("_database", "_collection", "_dimension_separator", "read_only", "_kwargs")
        return {name: getattr(self, name) for name in names}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()

    def _explained(self, error: Exception, key: str) -> Exception:
        failure = super()._explained(error, key)
        if type(failure) is StoreError and getattr(error, "code", None) in _NOT_ALLOWED:
            refused = StorePermissionError(str(failure), failure.url, failure.key)
            refused.__cause__ = failure.__cause__
            return refused
        return failure

    # single keys

    def _get(self, key: str, start: int = 0, nbytes: int | None = None, versions: Any = None) -> bytes:
        document = self.collection.find_one({_KEY: key}, {"_id": 0, _VALUE: 1})
        if document is None:
            raise KeyError(key)
        value = bytes(document[_VALUE])
        if start or nbytes is not None:
            value = value[start:]
        return value if nbytes is None else value[:nbytes]

    def _put(self, key: str, value: Any) -> None:
        document = _document(key, value)
        self._make_index()
        self.collection.replace_one({_KEY: key}, document, upsert=True)

    def _make_index(self) -> None:
        if not self._indexed:
            self.collection.create_index(_KEY, unique=True)
            self._indexed = True

    def _remove(self, key: str) -> None:
        if not self.collection.delete_one({_KEY: key}).deleted_count:
            raise KeyError(key)

    def _get_size(self, key: str) -> int:
        for _, nbytes in self._sizes({_KEY: key}):
            return nbytes
        raise KeyError(key)

    # many

    @unless_overridden
    def getitems(self, keys: Iterable[str], *, contexts: Mapping[str, Any] | None = None) -> dict[str, bytes]:
        keys = list(keys)
        for key in keys:
            check_key(key)
        values = [
            value
            for batch in batched(keys, at_once(keys))
            for value in self._ask(batch[0], self._find, batch)
        ]
        return {key: value for key, value in zip(keys, values, strict=True) if value is not None}

    def requests(self) -> Messages:
        return Messages(self, concurrency(), self._send)

    def _send(self, questions: list[Question]) -> list[Any]:
        """Make many requests of one kind in one message."""
        act, keys = questions[0].act, [question.key for question in questions]
        if act == self._discard:
            self._delete_many([(key, None) for key in keys])
            return [None] * len(keys)
        if act == self._put:
            return self._put_many([question.args for question in questions])
        values = self._find(keys)
        return [
            value if value is None else value[start:] if nbytes is None else value[start:][:nbytes]
            for value, (_, start, nbytes, _) in zip(values, (q.args for q in questions), strict=True)
        ]

    def _put_many(self, rows: Sequence[tuple[str, Any]]) -> list[Exception | None]:
        """Write values; what went wrong with each."""
        failures: dict[str, Exception] = {}
        documents = []
        for key, value in rows:
            try:
                documents.append((key, _document(key, value)))
            except ValueError as error:
                failures[key] = error
        if documents:
            failures.update(self._replace(documents))
        return [failures.get(key) for key, _ in rows]

    def _find(self, keys: Sequence[str]) -> list[bytes | None]:
        found = self.collection.find({_KEY: {"$in": list(keys)}}, {"_id": 0})
        values = {document[_KEY]: bytes(document[_VALUE]) for document in found}
        return [values.get(key) for key in keys]

    @unless_overridden
    def setitems(self, values: Mapping[str, Any]) -> None:
        for key in values:
            check_key(key)
        rows = [(key, _document(key, normalize_value(value))) for key, value in values.items()]
        self.check_writeable()
        self._in_batches("written", _by_size(rows), self._replace)

    def _replace(self, rows: Sequence[tuple[str, dict[str, Any]]]) -> dict[str, Exception]:
        """Write documents; what went wrong with which."""
        from pymongo import ReplaceOne
        from pymongo.errors import BulkWriteError, OperationFailure

        self._make_index()
        changes = [ReplaceOne({_KEY: key}, document, upsert=True) for key, document in rows]
        try:
            self.collection.bulk_write(changes, ordered=False)
        except BulkWriteError as error:
            failed = error.details["writeErrors"]
            if not failed:  # all were written, and that is all that is known of them
                raise
            return {
                rows[each["index"]][0]: OperationFailure(str(each.get("errmsg")), each.get("code"))
                for each in failed
            }
        return {}

    @unless_overridden
    def delitems(self, keys: Iterable[str]) -> None:
        self.check_writeable()
        rows = [(key, None) for key in keys if is_key(key)]
        self._in_batches("deleted", batched(rows, 1000), self._delete_many)

    def _delete_many(self, rows: Sequence[tuple[str, None]]) -> dict[str, Exception]:
        self.collection.delete_many({_KEY: {"$in": [key for key, _ in rows]}})
        return {}

    # structure

    def _keys(self, path: str) -> list[str]:
        found = self.collection.find(_under(path), {"_id": 0, _KEY: 1})
        return list({document[_KEY] for document in found})

    def _list(self, path: str) -> Iterable[tuple[str, int]]:
        return self._sizes(_under(path))

    def _sizes(self, condition: dict[str, Any]) -> Iterator[tuple[str, int]]:
        size = {"_id": 0, _KEY: 1, "nbytes": {"$binarySize": f"${_VALUE}"}}
        for document in self.collection.aggregate([{"$match": condition}, {"$project": size}]):
            yield document[_KEY], document["nbytes"]

    @unless_overridden
    def rmdir(self, path: str = "") -> None:
        self.check_writeable()
        path = normalize_storage_path(path)
        self._ask(path, self.collection.delete_many, _under(path))

    def close(self) -> None:
        """Give back the connections."""
        self.client.close()


def _document(key: str, value: Any) -> dict[str, Any]:
    """What is stored; ValueError if that is more than MongoDB takes."""
    from bson.binary import Binary

    nbytes = len(key.encode()) + memoryview(value).nbytes + _NOT_THE_VALUE
    if nbytes > MOST_NBYTES:
        raise ValueError(
            f"{key!r}: a value of {memoryview(value).nbytes} bytes is too long for MongoDB, "
            f"whose documents have {MOST_NBYTES} bytes at most: smaller chunks are needed"
        )
    return {_KEY: key, _VALUE: Binary(bytes(value))}


def _by_size(rows: Sequence[tuple[str, dict[str, Any]]]) -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """Consecutive parts of rows: of as many as may be asked for at a time, and of not too many bytes."""
    part: list[tuple[str, dict[str, Any]]] = []
    nbytes = 0
    for row in rows:
        more = len(row[1][_VALUE])
        if part and (len(part) == 1000 or nbytes + more > _BULK_NBYTES):
            yield part
            part, nbytes = [], 0
        part.append(row)
        nbytes += more
    if part:
        yield part


def _under(path: str) -> dict[str, Any]:
    """The condition that picks the keys under a path."""
    if not path:
        return {_KEY: {"$type": "string"}}
    return {_KEY: {"$gt": f"{path}/", "$lt": f"{path}0"}}  # "0" comes after "/"
