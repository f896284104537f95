"""A few threads for blocking calls that may hang: they end with the process, and nobody waits for them.

An executor like the standard library's, for `run_in_executor`. That one's threads are joined when the interpreter ends,
also after `shutdown(wait=False)`, so a store that took a connection and says nothing would hold the end of a process
for as long as its client keeps trying. A coroutine asks through `aside`.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from queue import Empty, SimpleQueue
from typing import NamedTuple, ParamSpec, TypeVar

from typing_extensions import override

P = ParamSpec("P")
T = TypeVar("T")


class _Call(NamedTuple):
    act: Callable[[], None]
    cancel: Callable[[], object]


class Crew(Executor):
    """Its threads start with the first call. Any thread may submit."""

    def __init__(self, most: int, name: str) -> None:
        """`most`: calls at once; the others wait."""
        self._most, self._name = most, name
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._shut = False

    @override
    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        """
        Raises:
            RuntimeError: it was shut down.
        """
        future: Future[T] = Future()
        work = partial(fn, *args, **kwargs)
        with self._lock:
            if self._shut:
                raise RuntimeError("the crew was shut down")
            if not self._threads:
                names = (f"{self._name}-{number}" for number in range(self._most))
                self._threads = [threading.Thread(target=self._work, name=name, daemon=True) for name in names]
                for thread in self._threads:
                    thread.start()
            self._calls.put(_Call(partial(_act, future, work), future.cancel))
        return future

    @override
    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Nothing more is taken. What was submitted runs to its end, unless it is cancelled; `wait` for it, or not."""
        with self._lock:
            self._shut = True
            if cancel_futures:
                self._cancel_waiting()
            for _ in self._threads:
                self._calls.put(None)
        if wait:
            for thread in self._threads:
                thread.join()

    def _cancel_waiting(self) -> None:
        try:
            while True:
                call = self._calls.get_nowait()
                if call is not None:
                    call.cancel()
        except Empty:
            pass

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call.act()
            del call  # an idle thread holds on to no result


def _act(future: "Future[T]", work: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        found = work()
    except BaseException as error:  # the submitter's to judge
        future.set_exception(error)
    else:
        future.set_result(found)
