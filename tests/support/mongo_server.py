"""A server that speaks MongoDB's wire protocol, as much of it as a store and its tests need.

Run as a process of its own::

    python mongo_server.py 27017

It keeps its collections in memory. Messages are OP_MSG, and OP_QUERY for the first greeting; limits of
documents and messages, batches of cursors, unique indexes and codes of errors are those of MongoDB 7.
What it does not know it refuses, as MongoDB refuses a command that it does not know.
"""

from __future__ import annotations

import datetime as dt
import itertools
import socketserver
import struct
import sys
import threading
from typing import Any

import bson
from bson import ObjectId

MOST_NBYTES = 16 * 1024 * 1024
MOST_OF_A_MESSAGE = 48_000_000
FIRST_BATCH = 101

OP_REPLY, OP_QUERY, OP_MSG = 1, 2004, 2013

HELLO = {
    "helloOk": True,
    "ismaster": True,
    "isWritablePrimary": True,
    "maxBsonObjectSize": MOST_NBYTES,
    "maxMessageSizeBytes": MOST_OF_A_MESSAGE,
    "maxWriteBatchSize": 100_000,
    "minWireVersion": 0,
    "maxWireVersion": 21,
    "readOnly": False,
}


class Refused(Exception):
    """A command that fails, with MongoDB's code."""

    def __init__(self, code: int, name: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.name = name


class Collection:
    def __init__(self) -> None:
        self.documents: dict[Any, dict[str, Any]] = {}  # by _id
        self.unique: dict[str, dict[Any, Any]] = {}  # fields, and for each the _id of each value

    def matching(self, condition: dict[str, Any]) -> list[dict[str, Any]]:
        candidates = self._candidates(condition)
        return [each for each in candidates if all(_fits(each, *row) for row in condition.items())]

    def _candidates(self, condition: dict[str, Any]) -> list[dict[str, Any]]:
        """The documents that an index leaves to be looked at, or all."""
        for name, ids in self.unique.items():
            wanted = condition.get(name)
            if isinstance(wanted, dict) and set(wanted) == {"$in"}:
                return [self.documents[ids[value]] for value in dict.fromkeys(wanted["$in"]) if value in ids]
            if isinstance(wanted, str):
                return [self.documents[ids[wanted]]] if wanted in ids else []
        return list(self.documents.values())

    def insert(self, document: dict[str, Any]) -> None:
        document = {"_id": document.get("_id", ObjectId()), **document}
        taken = [name for name, ids in self.unique.items() if document.get(name) in ids]
        if document["_id"] in self.documents or taken:
            raise Refused(11000, "DuplicateKey", f"E11000 duplicate key error: {document.get('key')!r}")
        _check_size(document)
        self.documents[document["_id"]] = document
        for name, ids in self.unique.items():
            ids[document.get(name)] = document["_id"]

    def remove(self, document: dict[str, Any]) -> None:
        del self.documents[document["_id"]]
        for name, ids in self.unique.items():
            del ids[document.get(name)]

    def replace(self, condition: dict[str, Any], document: dict[str, Any], upsert: bool) -> dict[str, Any]:
        if any(name.startswith("$") for name in document):
            raise Refused(9, "FailedToParse", "only replacements are known here")
        _check_size(document)
        found = self.matching(condition)
        if found:
            self.remove(found[0])
            self.insert({"_id": found[0]["_id"], **document})
            return {"n": 1, "nModified": 1}
        if not upsert:
            return {"n": 0, "nModified": 0}
        document = {"_id": ObjectId(), **document}
        self.insert(document)
        return {"n": 1, "nModified": 0, "_id": document["_id"]}

    def make_unique(self, name: str) -> None:
        if name in self.unique:
            return
        ids = {each.get(name): each["_id"] for each in self.documents.values()}
        if len(ids) < len(self.documents):
            raise Refused(11000, "DuplicateKey", "E11000 duplicate key error: while an index is built")
        self.unique[name] = ids


def _check_size(document: dict[str, Any]) -> None:
    if len(bson.encode(document)) > MOST_NBYTES:
        raise Refused(10334, "BSONObjectTooLarge", "object to insert too large")


def _fits(document: dict[str, Any], name: str, wanted: Any) -> bool:
    value = document.get(name)
    if not isinstance(wanted, dict):
        return value == wanted
    return all(_compares(value, sign, operand) for sign, operand in wanted.items())


def _compares(value: Any, sign: str, operand: Any) -> bool:
    if sign == "$in":
        return value in operand
    if sign == "$type" and operand == "string":
        return isinstance(value, str)
    if sign in ("$gt", "$gte", "$lt", "$lte"):
        if not (isinstance(value, str) and isinstance(operand, str)):
            return False
        a, b = value.encode(), operand.encode()
        return {"$gt": a > b, "$gte": a >= b, "$lt": a < b, "$lte": a <= b}[sign]
    raise Refused(2, "BadValue", f"unknown operator: {sign}")


def _projected(document: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    if not fields:
        return document
    named = {name: how for name, how in fields.items() if name != "_id"}
    shown = {} if fields.get("_id", 1) == 0 else {"_id": document["_id"]}
    if not named:
        return shown | {name: value for name, value in document.items() if name != "_id"}
    for name, how in named.items():
        if isinstance(how, dict):
            shown[name] = _computed(document, how)
        elif name in document:
            shown[name] = document[name]
    return shown


def _computed(document: dict[str, Any], expression: dict[str, Any]) -> int:
    (sign, operand), *_ = expression.items()
    if sign != "$binarySize" or not operand.startswith("$"):
        raise Refused(168, "InvalidPipelineOperator", f"Unrecognized expression {sign!r}")
    value = document.get(operand[1:])
    return len(value.encode() if isinstance(value, str) else value)


class Database:
    """All that the server knows. A command at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._collections: dict[tuple[str, str], Collection] = {}
        self._cursors: dict[int, tuple[str, list[dict[str, Any]]]] = {}
        self._cursor_ids = itertools.count(1)

    def answer(self, command: dict[str, Any]) -> dict[str, Any]:
        name = next(iter(command))
        act = getattr(self, f"do_{name.lower()}", None)
        try:
            if act is None:
                raise Refused(59, "CommandNotFound", f"no such command: {name!r}")
            with self._lock:
                return {**act(command), "ok": 1.0}
        except Refused as error:
            return {"ok": 0.0, "errmsg": str(error), "code": error.code, "codeName": error.name}

    def _named(self, command: dict[str, Any]) -> Collection:
        place = (command["$db"], next(iter(command.values())))
        return self._collections.setdefault(place, Collection())

    # greetings

    def do_hello(self, command: dict[str, Any]) -> dict[str, Any]:
        return {**HELLO, "localTime": dt.datetime.now(dt.UTC)}

    do_ismaster = do_hello

    def do_ping(self, command: dict[str, Any]) -> dict[str, Any]:
        return {}

    do_endsessions = do_ping

    def do_buildinfo(self, command: dict[str, Any]) -> dict[str, Any]:
        return {"version": "7.0.0", "maxBsonObjectSize": MOST_NBYTES}

    # changes

    def do_createindexes(self, command: dict[str, Any]) -> dict[str, Any]:
        collection = self._named(command)
        for index in command["indexes"]:
            (name,) = index["key"]
            if index.get("unique"):
                collection.make_unique(name)
        return {"numIndexesBefore": 1, "numIndexesAfter": 2}

    def do_insert(self, command: dict[str, Any]) -> dict[str, Any]:
        collection = self._named(command)
        done, errors = self._each(command, "documents", collection.insert)
        return {"n": len(done), **errors}

    def do_update(self, command: dict[str, Any]) -> dict[str, Any]:
        collection = self._named(command)
        done, errors = self._each(
            command, "updates", lambda row: collection.replace(row["q"], row["u"], row.get("upsert", False))
        )
        upserted = [{"index": i, "_id": each["_id"]} for i, each in done if "_id" in each]
        counts = {name: sum(each[name] for _, each in done) for name in ("n", "nModified")}
        return {**counts, **({"upserted": upserted} if upserted else {}), **errors}

    def do_delete(self, command: dict[str, Any]) -> dict[str, Any]:
        collection = self._named(command)

        def remove(row: dict[str, Any]) -> int:
            found = collection.matching(row["q"])
            found = found[: row["limit"]] if row["limit"] else found
            for document in found:
                collection.remove(document)
            return len(found)

        done, errors = self._each(command, "deletes", remove)
        return {"n": sum(n for _, n in done), **errors}

    def _each(self, command: dict[str, Any], rows: str, act: Any) -> tuple[list[tuple[int, Any]], dict]:
        """Do something with each row: what came of them, and the errors as MongoDB tells them."""
        done, errors = [], []
        for i, row in enumerate(command[rows]):
            try:
                done.append((i, act(row)))
            except Refused as error:
                errors.append({"index": i, "code": error.code, "errmsg": str(error)})
                if command.get("ordered", True):
                    break
        return done, {"writeErrors": errors} if errors else {}

    def do_drop(self, command: dict[str, Any]) -> dict[str, Any]:
        place = (command["$db"], command["drop"])
        if self._collections.pop(place, None) is None:
            raise Refused(26, "NamespaceNotFound", "ns not found")
        return {}

    # questions

    def do_find(self, command: dict[str, Any]) -> dict[str, Any]:
        found = self._named(command).matching(command.get("filter", {}))
        if command.get("limit"):
            found = found[: command["limit"]]
        shown = [_projected(each, command.get("projection", {})) for each in found]
        size = 1 if command.get("singleBatch") else command.get("batchSize", FIRST_BATCH)
        return self._first(command, shown, size)

    def do_aggregate(self, command: dict[str, Any]) -> dict[str, Any]:
        found = self._named(command).matching({})
        for stage in command["pipeline"]:
            ((sign, operand),) = stage.items()
            if sign == "$match":
                found = [each for each in found if all(_fits(each, *row) for row in operand.items())]
            elif sign == "$project":
                found = [_projected(each, operand) for each in found]
            else:
                raise Refused(40324, "Location40324", f"Unrecognized pipeline stage name: {sign!r}")
        return self._first(command, found, command.get("cursor", {}).get("batchSize", FIRST_BATCH))

    def do_getmore(self, command: dict[str, Any]) -> dict[str, Any]:
        number = command["getMore"]
        if number not in self._cursors:
            raise Refused(43, "CursorNotFound", f"cursor id {number} not found")
        place, rest = self._cursors.pop(number)
        batch, rest = _batch(rest, command.get("batchSize") or len(rest))
        if rest:
            self._cursors[number] = (place, rest)
        return {"cursor": {"nextBatch": batch, "id": bson.Int64(number if rest else 0), "ns": place}}

    def do_killcursors(self, command: dict[str, Any]) -> dict[str, Any]:
        for number in command["cursors"]:
            self._cursors.pop(number, None)
        return {}

    def _first(self, command: dict[str, Any], found: list[dict[str, Any]], size: int) -> dict[str, Any]:
        place = f"{command['$db']}.{next(iter(command.values()))}"
        batch, rest = _batch(found, size)
        number = next(self._cursor_ids) if rest else 0
        if rest:
            self._cursors[number] = (place, rest)
        return {"cursor": {"firstBatch": batch, "id": bson.Int64(number), "ns": place}}


def _batch(found: list[dict[str, Any]], size: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """As many documents as an answer holds, one at least, and the rest."""
    nbytes = 0
    for n, document in enumerate(found):
        nbytes += len(bson.encode(document))
        if n == size or (n and nbytes > MOST_NBYTES):
            return found[:n], found[n:]
    return found, []


class Handler(socketserver.BaseRequestHandler):
    database = Database()

    def handle(self) -> None:
        try:
            while True:
                length, number, _, kind = struct.unpack("<iiii", self._read(16))
                if length > MOST_OF_A_MESSAGE:
                    return
                self._answer(number, kind, self._read(length - 16))
        except ConnectionError:
            pass

    def _read(self, nbytes: int) -> bytes:
        data = bytearray(nbytes)
        view = memoryview(data)
        while view:
            n = self.request.recv_into(view)
            if not n:
                raise ConnectionResetError
            view = view[n:]
        return bytes(data)

    def _answer(self, number: int, kind: int, body: bytes) -> None:
        if kind == OP_QUERY:
            start = body.index(b"\0", 4) + 9
            (size,) = struct.unpack_from("<i", body, start)
            answer = self.database.answer(bson.decode(body[start : start + size]))
            self._send(number, OP_REPLY, struct.pack("<iqii", 8, 0, 0, 1) + bson.encode(answer))
        elif kind == OP_MSG:
            answer = self.database.answer(_command(body))
            self._send(number, OP_MSG, struct.pack("<ib", 0, 0) + bson.encode(answer))
        else:
            raise ConnectionResetError

    def _send(self, number: int, kind: int, body: bytes) -> None:
        self.request.sendall(struct.pack("<iiii", 16 + len(body), 0, number, kind) + body)


def _command(body: bytes) -> dict[str, Any]:
    """The command of an OP_MSG: its document and the lists of documents that come beside it."""
    (flags,) = struct.unpack_from("<I", body)
    end = len(body) - (4 if flags & 1 else 0)  # a checksum
    command: dict[str, Any] = {}
    beside: dict[str, Any] = {}
    place = 4
    while place < end:
        kind = body[place]
        (size,) = struct.unpack_from("<i", body, place + 1)
        section = body[place + 1 : place + 1 + size]
        if kind == 0:
            command = bson.decode(section)
        else:
            stop = section.index(b"\0", 4)
            beside[section[4:stop].decode()] = bson.decode_all(section[stop + 1 :])
        place += 1 + size
    return {**command, **beside}


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128


if __name__ == "__main__":
    with Server(("127.0.0.1", int(sys.argv[1])), Handler) as server:
        server.serve_forever()
