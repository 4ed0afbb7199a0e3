"""Downloads the official files: with progress, retried, resumed, verified."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import requests

from pipeline.data import idx
from pipeline.errors import UserError
from pipeline.fingerprint import sha256
from trainer_module import features
from trainer_module.facts import OfficialFile

OFFICIAL_ADDRESSES = features.DATASET.official.addresses if features.DATASET.official else ()

_ATTEMPTS_PER_ADDRESS = 3
_TIMEOUT_S = 15
_BLOCK = 1 << 16

Progress = Callable[[str, int, int], None]
"""Called with a file's name, the bytes it has so far and those it will have, 0 if not known yet."""


class UnreachableError(UserError):
    """None of the addresses delivered the file."""


class _RefusedError(Exception):
    """What an address answers is not taken; why, a clause."""


def download_missing(
    directory: Path,
    progress: Progress,
    *,
    addresses: Sequence[str] = OFFICIAL_ADDRESSES,
    pause_s: float = 1.0,
) -> None:
    """Downloads those official files that the directory does not have yet.

    What was received stays beside the file as `.part` and is resumed by the next call.

    Args:
        directory: made if there is none.
        progress: told of every attempt and of every block.
        addresses: tried in order.
        pause_s: seconds before a second attempt at the same address; doubled before a third.

    Raises:
        UnreachableError: no address delivered a file, or none delivered the official bytes, or
            the dataset has no official files.
        UserError: the directory can't be written.
    """
    if not idx.OFFICIAL_FILES:
        raise UnreachableError(
            f"{features.DATASET.title} can't be downloaded: name a directory that has it with "
            "--data-dir."
        )
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for file in idx.OFFICIAL_FILES:
            if not (directory / file.name).exists():
                _download(file, directory, progress, addresses, pause_s)
    except OSError as error:
        raise UserError(
            f"{error.filename or directory} can't be written: {error.strerror or error}; free "
            "some space or mend its permissions, or name a directory that has the files with "
            "--data-dir."
        ) from error


def _download(
    file: OfficialFile,
    directory: Path,
    progress: Progress,
    addresses: Sequence[str],
    pause_s: float,
) -> None:
    part = directory / f"{file.name}.part"
    reasons = []
    for address in addresses:
        for attempt in range(_ATTEMPTS_PER_ADDRESS):
            if attempt:
                time.sleep(pause_s * 2 ** (attempt - 1))
            try:
                _fetch(f"{address}/{file.name}", part, file, progress)
            except _RefusedError as error:
                part.unlink(missing_ok=True)
                reason = str(error)
            # Of a header or a proxy that can't be read, not all become errors of requests' own.
            except (requests.RequestException, ValueError, TypeError) as error:
                reason = _describe(error)
            else:
                if sha256(part) == file.sha256:
                    part.rename(directory / file.name)
                    return
                part.unlink()
                reason = "it sent other bytes than the official ones"
        reasons.append(f"{address} ({reason})")
    raise UnreachableError(
        f"{file.name} could not be downloaded from {' or '.join(reasons)}: check the network, "
        "or name a directory that has the official files with --data-dir."
    )


def _fetch(url: str, part: Path, file: OfficialFile, progress: Progress) -> None:
    """Appends to the part what is still missing of it.

    Raises:
        _RefusedError: it is more than the file has, or comes without encryption where that was
            asked for.
    """
    start = part.stat().st_size if part.exists() else 0
    progress(file.name, start, 0)
    # The checksums are those of the gzipped bytes: no server may unpack them on the way.
    headers = {"Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT_S) as response:
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            return  # The part is complete; its checksum will tell whether it is right.
        response.raise_for_status()
        if url.startswith("https:") and not response.url.startswith("https:"):
            raise _RefusedError("it redirects to an address without encryption")
        if response.status_code != requests.codes.partial_content:
            start = 0  # The server sends the whole file whatever it was asked for.
        length = response.headers.get("Content-Length", "")
        total = start + (int(length) if length.isdecimal() else 0)
        with part.open("ab" if start else "wb") as out:
            for block in response.iter_content(_BLOCK):
                start += len(block)
                if start > file.size:
                    raise _RefusedError(f"it sends more than the {file.size:,} bytes of the file")
                out.write(block)
                progress(file.name, start, max(total, start))


def _describe(error: Exception) -> str:
    if isinstance(error, requests.TooManyRedirects):
        return "it redirects without end"
    if isinstance(error, requests.RequestException) and error.response is not None:
        return f"HTTP status {error.response.status_code}"
    if isinstance(error, requests.Timeout):
        return f"no answer within {_TIMEOUT_S} s"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off"
    # Never with the proxy's address: it may hold a password.
    if isinstance(error, requests.exceptions.ProxyError):
        return "no connection by way of the proxy"
    # Without a host it is a TypeError; of another scheme, an address like any other.
    no_address = isinstance(error, TypeError | requests.exceptions.InvalidProxyURL)
    if no_address or str(error).startswith("Proxy URL"):
        return "the proxy that https_proxy or http_proxy names can't be used"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return "its answer can't be read"
