"""The questions of one transfer to a store: many under way at a time, each answered when its answer has come.

`Requests` asks a store on a server. `BulkRequests` has the same methods for every other mapping: what has been
asked for is looked up at once when answers are wanted.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, MutableMapping
from concurrent.futures import Future, wait
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple

from zarrc.storage import base

if TYPE_CHECKING:
    from zarrc.storage.remote import RemoteStore

Answer = tuple[Any, Any, Exception | None]  # tag; value, None where there is no such key; what went wrong


class Question(NamedTuple):
    """One request.

    Attributes
    ----------
    tag : object
        What the asker calls it.
    key : str
    act : callable
        Method of the store that makes the request.
    args : tuple
        For `act`, the key first.
    """

    tag: Any
    key: str
    act: Callable[..., Any]
    args: tuple[Any, ...]


class Requests:
    """Requests to a store on a server. For one thread.

    Parameters
    ----------
    store : RemoteStore
    width : int
        Most requests that are under way at a time; others wait for their turn.
    """

    def __init__(self, store: RemoteStore, width: int) -> None:
        self._store = store
        self._width = width
        self._get = store._get_any
        self._waiting: deque[Question] = deque()
        self._under_way: set[Future] = set()
        self._done: SimpleQueue[tuple[list[Question], Future]] = SimpleQueue()

    @property
    def width(self) -> int:
        """How many keys should be asked for at a time."""
        return self._width

    def get(
        self,
        tag: Any,
        key: str,
        start: int = 0,
        nbytes: int | None = None,
        versions: MutableMapping[str, str] | None = None,
    ) -> None:
        """Ask for a value or a part of it; ``versions`` as for `Store.get_partials`."""
        self._add(Question(tag, key, self._get, (key, start, nbytes, versions)))

    def put(self, tag: Any, key: str, value: bytes | None) -> None:
        """Store a value; None: there is to be no such key, and there may be none now."""
        self._store.check_writeable()
        if value is None:
            self._add(Question(tag, key, self._store._discard, (key,)))
        else:
            self._add(Question(tag, key, self._store._put, (key, value)))

    def answers(self) -> list[Answer]:
        """Wait until there is an answer, and return all that have come; none if nothing was asked.

        Failed requests are among the answers, with what is to be raised for them.
        """
        self._begin(in_part=True)
        if not self._under_way:
            return []
        ready = [self._done.get()]
        while True:
            try:
                ready.append(self._done.get_nowait())
            except Empty:
                break
        self._under_way.difference_update(future for _, future in ready)
        self._begin()
        return [answer for questions, future in ready for answer in self._answered(questions, future)]

    def cancel(self) -> None:
        """Give up: nothing that was asked is waited for."""
        self._waiting.clear()
        for future in self._under_way:
            future.cancel()

    def settle(self) -> None:
        """Begin nothing more, and wait for what is under way."""
        self._waiting.clear()
        wait(self._under_way)

    def _add(self, question: Question) -> None:
        self._waiting.append(question)
        self._begin()

    def _begin(self, in_part: bool = False) -> None:
        """Begin as many requests as may be under way."""
        while self._waiting and len(self._under_way) < self._width:
            question = self._waiting.popleft()
            self._watch([question], self._store._submit(question.act, *question.args))

    def _watch(self, questions: list[Question], future: Future) -> None:
        self._under_way.add(future)
        future.add_done_callback(lambda done: self._done.put((questions, done)))

    def _answered(self, questions: list[Question], future: Future) -> list[Answer]:
        [question] = questions
        try:
            return [(question.tag, self._store._ask(question.key, future.result), None)]
        except KeyError as error:
            return [(question.tag, None, None if question.act == self._get else error)]
        except Exception as error:
            return [(question.tag, None, error)]


class Messages(Requests):
    """Requests to a store that asks for many keys in one message: while one is answered, another is on its way.

    Parameters
    ----------
    store : RemoteStore
    width : int
        Most keys that are asked for at a time.
    send : callable
        Makes a request of questions with the same `act`, and returns what each of them gave: a value,
        None, or an exception.
    """

    def __init__(self, store: RemoteStore, width: int, send: Callable[[list[Question]], list[Any]]) -> None:
        super().__init__(store, width)
        self._send = send
        self._most = max(1, width // 2)

    def _begin(self, in_part: bool = False) -> None:
        while len(self._under_way) < 2 and (
            len(self._waiting) >= self._most or (self._waiting and in_part and not self._under_way)
        ):
            act = self._waiting[0].act
            questions: list[Question] = []
            while self._waiting and len(questions) < self._most and self._waiting[0].act == act:
                questions.append(self._waiting.popleft())
            self._watch(questions, self._store._submit(self._send, questions))

    def _answered(self, questions: list[Question], future: Future) -> list[Answer]:
        try:
            values = self._store._ask(questions[0].key, future.result)
        except Exception as error:
            return [(question.tag, None, error) for question in questions]
        return [
            (question.tag, None, self._store._explained(value, question.key))
            if isinstance(value, Exception)
            else (question.tag, value, None)
            for question, value in zip(questions, values, strict=True)
        ]


class BulkRequests:
    """Questions to any mapping that reads parts of values, answered together. They are for reading.

    Parameters
    ----------
    store : MutableMapping
    contexts : mapping, optional
        Given to ``getitems``.
    """

    width = 64

    def __init__(self, store: Any, contexts: Any = None) -> None:
        self._store = store
        self._contexts = contexts
        self._asked: list[tuple[Any, str, int, int | None, MutableMapping[str, str] | None]] = []

    def get(
        self,
        tag: Any,
        key: str,
        start: int = 0,
        nbytes: int | None = None,
        versions: MutableMapping[str, str] | None = None,
    ) -> None:
        """See `Requests.get`."""
        self._asked.append((tag, key, start, nbytes, versions))

    def answers(self) -> list[Answer]:
        """See `Requests.answers`; what goes wrong is raised."""
        asked, self._asked = self._asked, []
        values = self._whole([key for _, key, _, _, versions in asked if versions is None])
        parts = iter(self._parts([each for each in asked if each[4] is not None]))
        return [
            (tag, values.get(key) if versions is None else next(parts), None)
            for tag, key, _, _, versions in asked
        ]

    def _whole(self, keys: list[str]) -> dict[str, Any]:
        return base.getitems(self._store, keys, self._contexts) if keys else {}

    def _parts(self, asked: list[Any]) -> list[Any]:
        known: dict[str, str] = {}
        for *_, versions in asked:
            known.update(versions)
        found = base.get_partials(self._store, [each[1:4] for each in asked], known) if asked else []
        for _, key, _, _, versions in asked:
            if key in known:
                versions[key] = known[key]
        return found

    def cancel(self) -> None:
        """See `Requests.cancel`."""
        self._asked.clear()
