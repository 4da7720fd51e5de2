"""Options of file systems of fsspec: how long they wait for a server, and who asks.

Left to themselves they wait for minutes, and try again so often that a server which does not answer any
more would keep a program waiting for hours. Silence is what counts: a long transfer that moves is not broken off.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zarrc.storage.remote import SECONDS, concurrency

_S3 = ("s3", "s3a")
_HTTP = ("http", "https")
_S3_SECONDS = 15  # which the attempts of botocore, five, and those of s3fs multiply
_S3_RETRIES = 2  # of s3fs: around a request, and again around that and its body


def prepared(url: str, storage_options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """A URL without user and password, and options for opening it: those given, time-outs, and the user.

    Parameters
    ----------
    url : str
        A chain of several has each one's options under its protocol.
    storage_options : mapping
        What is given there is left as it is.
    """
    parts = url.split("::")
    options = dict(storage_options)
    for i, part in enumerate(parts):
        protocol = part.partition("://")[0]
        usual = _limits(protocol)
        if protocol in _HTTP:
            parts[i], user = _without_user(part)
            usual["client_kwargs"] |= user
        if len(parts) == 1:
            options = _merged(usual, options)
        elif usual:
            options[protocol] = _merged(usual, options.get(protocol, {}))
    return "::".join(parts), options


def _without_user(url: str) -> tuple[str, dict[str, Any]]:
    """A URL of HTTP whose user, if any, is an option of aiohttp: what it opens is then shown and pickled without."""
    from base64 import b64encode
    from urllib.parse import unquote, urlsplit

    split = urlsplit(url)
    if split.username is None:
        return url, {}
    user = b64encode(f"{unquote(split.username)}:{unquote(split.password or '')}".encode()).decode()
    shown = split._replace(netloc=split.netloc.rpartition("@")[2]).geturl()
    return shown, {"headers": {"Authorization": f"Basic {user}"}}


def _limits(protocol: str) -> dict[str, dict[str, Any]]:
    if protocol in _S3:
        config: dict[str, Any] = {"connect_timeout": _S3_SECONDS, "read_timeout": _S3_SECONDS}
        # as many connections as requests that may be under way; the client has 10
        config["max_pool_connections"] = max(10, concurrency())
        return {"config_kwargs": config}
    if protocol in _HTTP:
        return {"client_kwargs": {"timeout": _silence()}}
    if protocol in ("gs", "gcs"):
        return {"session_kwargs": {"timeout": _silence()}}
    return {}


def _silence() -> Any:
    """Time-outs of aiohttp, which by itself ends every transfer after five minutes."""
    from aiohttp import ClientTimeout

    return ClientTimeout(total=None, sock_connect=SECONDS, sock_read=SECONDS)


def _merged(usual: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**usual, **options}
    for name in usual.keys() & options.keys():
        if isinstance(usual[name], dict):
            merged[name] = _merged(usual[name], options[name] or {})
    return merged


def limit_retries(fs: Any) -> None:
    """Have s3fs try fewer times, which takes no option for that: its loops are inside each other."""
    for each in (fs, getattr(fs, "fs", None)):  # of a cache, what it is a cache of
        if each is not None and set(_S3) & set(_protocols(each)) and "retries" not in vars(each):
            each.retries = min(type(each).retries, _S3_RETRIES)


def _protocols(fs: Any) -> tuple[str, ...]:
    return (fs.protocol,) if isinstance(fs.protocol, str) else tuple(fs.protocol)
