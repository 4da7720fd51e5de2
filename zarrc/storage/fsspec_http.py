"""What a web site is asked, through the session of fsspec's file system of HTTP.

That file system takes every failure to tell a size for a missing file, and the page that shows a folder for a
file; and a server that overlooks ranges gives a whole file for its part.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_NOT_KNOWN = (405, 501)  # of servers that do not know HEAD


async def get(fs: Any, url: str, start: int = 0, nbytes: int | None = None) -> bytes:
    """A file or a part of it, as `Store.get_partial` counts it.

    Raises
    ------
    FileNotFoundError
        There is no such file; every other answer but its bytes is another exception.
    PermissionError
        The site refuses it.
    """
    last = "" if nbytes is None else start + nbytes - 1
    wanted = f"bytes={start}" if start < 0 else f"bytes={start}-{last}"
    headers = {"Range": wanted} if start or nbytes is not None else {}
    async with _asked(fs, "GET", url, headers) as answer:
        if answer.status == 416 and headers:
            return b""
        fs._raise_not_found_for_status(answer, url)
        body = await answer.read()
    if answer.status != 206:
        body = body[start:]
    elif start >= 0 and not answer.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
        raise OSError(f"{wanted} was asked for, and {answer.headers.get('Content-Range')} came")
    return body if nbytes is None else body[:nbytes]


async def get_size(fs: Any, url: str) -> int:
    """Bytes of a file; raises as `get`."""
    async with _asked(fs, "HEAD", url, {}) as answer:
        nbytes = answer.headers.get("Content-Length")
        if answer.status not in _NOT_KNOWN:
            fs._raise_not_found_for_status(answer, url)
            if nbytes is not None:
                return int(nbytes)
    return len(await get(fs, url))


@asynccontextmanager
async def _asked(fs: Any, method: str, url: str, headers: dict[str, str]) -> AsyncIterator[Any]:
    """The answer to a request for a file. What is sent is not compressed, so that lengths are those of files."""
    kwargs = dict(fs.kwargs)
    headers = {**kwargs.pop("headers", {}), **headers, "Accept-Encoding": "identity"}
    kwargs = {"allow_redirects": True, **kwargs}
    session = await fs.set_session()
    async with session.request(method, fs.encode_url(url), headers=headers, **kwargs) as answer:
        if answer.url.path.endswith("/"):  # it led to a folder, whose page this is
            raise FileNotFoundError(url)
        if answer.status in (401, 403):
            raise PermissionError(f"{answer.status} {answer.reason}")
        yield answer
