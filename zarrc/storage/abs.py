"""A store in a container of Azure Blob Storage."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from zarrc.errors import StoreError
from zarrc.storage.base import normalize_storage_path
from zarrc.storage.remote import RemoteStore, hidden, secrets_in

_ATTEMPTS = 5  # at the end of a blob that others replace meanwhile


class ABSStore(RemoteStore):
    """Keys and values as blobs of a container, each named ``prefix/key``.

    Safe to write in many threads and processes.

    Parameters
    ----------
    container : str, optional
        Name of a container, which must be there already. With ``client`` it is not given.
    prefix : str
        Path in the container.
    account_name : str, optional
        The storage account of ``container``.
    account_key : optional
        Its key, or another credential that `azure.storage.blob.ContainerClient` takes; without one, only
        what is public can be read.
    blob_service_kwargs : dict, optional
        Passed to `azure.storage.blob.ContainerClient`. ``account_url`` takes the place of ``account_name``.
    dimension_separator : {".", "/"}, optional
        Separator of the chunk keys of format 2 arrays made in this store.
    client : azure.storage.blob.ContainerClient, optional
        A client of yours, instead of the container and its account.
    read_only : bool
        Whether writes are refused.

    Raises
    ------
    StoreError, StoreTimeoutError, StorePermissionError
        The server did not answer as it should; not the constructor, but what asks it. A container that
        is not there is such an error too: only a missing blob is a missing key.

    Notes
    -----
    The client tries requests again in its own way before they fail. Account keys that are given to the store
    are not put into pickles: it cannot be pickled then. A client of yours is pickled as it pickles itself, which
    with most credentials shows them.

    Examples
    --------
    >>> client = azure.storage.blob.ContainerClient(...)  # doctest: +SKIP
    >>> store = ABSStore(client=client, prefix="experiment")  # doctest: +SKIP
    >>> zarrc.group(store)  # doctest: +SKIP
    """

    __module__ = "zarrc.storage"

    def __init__(
        self,
        container: str | None = None,
        prefix: str = "",
        account_name: str | None = None,
        account_key: Any = None,
        blob_service_kwargs: dict[str, Any] | None = None,
        dimension_separator: str | None = None,
        client: Any = None,
        *,
        read_only: bool = False,
    ) -> None:
        settings = {
            "container": container,
            "account_name": account_name,
            "account_key": account_key,
            "blob_service_kwargs": blob_service_kwargs,
        }
        given = [name for name, value in settings.items() if value is not None]
        if client is not None and given:
            raise TypeError(f"{', '.join(given)}: a client is given, which has settings of its own")
        if client is None and container is None:
            raise TypeError("either a client or a container is needed")
        if type(client).__module__.split(".")[-2:-1] == ["aio"]:
            raise TypeError("the client is one for coroutines: azure.storage.blob.ContainerClient is needed")
        self._prefix = normalize_storage_path(prefix)
        self._settings = settings
        self._given = client
        self._dimension_separator = dimension_separator
        self.read_only = read_only
        self._open()

    def _open(self) -> None:
        self._secrets = secrets_in(self._settings)
        self.client = self._connect() if self._given is None else self._given
        place = self.client.url.partition("?")[0]  # what follows may be a signature
        self.url = hidden(f"{place}/{self._prefix}".rstrip("/"), self._secrets)

    def _connect(self) -> Any:
        from azure.storage.blob import ContainerClient

        kwargs = dict(self._settings["blob_service_kwargs"] or {})
        account_url = kwargs.pop("account_url", None)
        if account_url is None:
            if self._settings["account_name"] is None:
                raise TypeError("either account_name or an account_url in blob_service_kwargs is needed")
            account_url = f"https://{self._settings['account_name']}.blob.core.windows.net"
        kwargs.setdefault("credential", self._settings["account_key"])
        return ContainerClient(account_url, self._settings["container"], **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        if self._has_credentials():
            raise TypeError(
                "an ABSStore with a credential is not pickled, as the pickle would show it; one with a client= "
                "of yours is, as that client pickles itself"
            )
        names = ("_prefix", "_settings", "_given", "_dimension_separator", "read_only")
        return {name: getattr(self, name) for name in names}

    def _has_credentials(self) -> bool:
        more = self._settings["blob_service_kwargs"] or {}
        url = str(more.get("account_url", ""))
        given = (self._settings["account_key"], more.get("credential"))
        return any(each is not None for each in given) or bool(secrets_in(more)) or "?" in url

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()

    # single blobs

    def _name(self, key: str) -> str:
        return f"{self._prefix}/{key}" if self._prefix else key

    def _get(self, key: str, start: int = 0, nbytes: int | None = None, versions: Any = None) -> bytes:
        wanted = None if versions is None else versions.get(key)
        if start < 0:
            return self._get_end(key, start, nbytes, versions, wanted)
        value, version = self._download(key, start, nbytes, wanted)
        if versions is not None:
            versions[key] = version
        return value

    def _get_end(self, key: str, start: int, nbytes: int | None, versions: Any, wanted: Any) -> bytes:
        """Bytes counted from the end. Azure counts from the start only: the size is asked for first."""
        for _ in range(_ATTEMPTS):
            properties = self._properties(key)
            if wanted is not None and properties.etag != wanted:
                break
            try:
                first = max(0, properties.size + start)
                value, version = self._download(key, first, nbytes, properties.etag)
            except KeyError:
                continue  # deleted, or another blob by now
            if versions is not None:
                versions[key] = version
            return value
        raise KeyError(key)

    def _download(self, key: str, start: int, nbytes: int | None, wanted: Any) -> tuple[bytes, str]:
        """A part of a blob and the blob's version; KeyError if it is not the wanted one."""
        from azure.core import MatchConditions
        from azure.core.exceptions import HttpResponseError

        if nbytes == 0:
            properties = self._properties(key)
            if wanted is not None and properties.etag != wanted:
                raise KeyError(key)
            return b"", properties.etag
        options: dict[str, Any] = {}
        if wanted is not None:
            options = {"etag": wanted, "match_condition": MatchConditions.IfNotModified}
        if start or nbytes is not None:
            options |= {"offset": start, "length": nbytes}
        try:
            stream = self.client.download_blob(self._name(key), **options)
            value = stream.readall()
        except HttpResponseError as error:
            if error.status_code == 416:  # the blob ends before the range begins
                return self._download(key, 0, 0, wanted)
            if error.status_code == 412:  # it is not that version any more
                raise KeyError(key) from None
            _check_missing(error, key)
            raise
        if len(value) != stream.size:
            raise StoreError(f"{self.url}: {key!r}: {len(value)} bytes came of {stream.size}", self.url, key)
        return value, stream.properties.etag

    def _properties(self, key: str) -> Any:
        from azure.core.exceptions import ResourceNotFoundError

        try:
            return self.client.get_blob_client(self._name(key)).get_blob_properties()
        except ResourceNotFoundError as error:
            _check_missing(error, key)
            raise

    def _get_size(self, key: str) -> int:
        return self._properties(key).size

    def _put(self, key: str, value: Any) -> None:
        self.client.upload_blob(self._name(key), bytes(value), overwrite=True)

    def _remove(self, key: str) -> None:
        from azure.core.exceptions import ResourceNotFoundError

        try:
            self.client.delete_blob(self._name(key))
        except ResourceNotFoundError as error:
            _check_missing(error, key)
            raise

    # structure

    def _below(self, path: str) -> str | None:
        """What the names of all blobs under a path begin with."""
        whole = "/".join(part for part in (self._prefix, path) if part)
        return f"{whole}/" if whole else None

    def _list(self, path: str) -> Iterator[tuple[str, int]]:
        start = len(self._prefix) + 1 if self._prefix else 0
        for blob in self.client.list_blobs(name_starts_with=self._below(path)):
            yield blob.name[start:], blob.size

    def listdir(self, path: str = "") -> list[str]:
        path = normalize_storage_path(path)
        return sorted(set(self._ask(path, self._children, path)))

    def _children(self, path: str) -> list[str]:
        below = self._below(path)
        found = self.client.walk_blobs(name_starts_with=below, delimiter="/")
        return [item.name[len(below or "") :].rstrip("/") for item in found]

    def close(self) -> None:
        """Give back the connections."""
        if self._given is None:
            self.client.close()


def _check_missing(error: Any, key: str) -> None:
    """Raise KeyError if what a client raised says that there is no such blob; no container is another matter."""
    code = getattr(error, "error_code", None)
    if error.status_code == 404 and getattr(code, "value", code) == "BlobNotFound":
        raise KeyError(key) from None
