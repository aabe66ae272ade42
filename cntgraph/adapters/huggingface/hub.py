"""hf://: folders of the Hugging Face Hub, found in its local cache; fetched only when asked for."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from cntgraph.core.errors import FormatError, require

#: A path that was made of the text has one slash less.
_ADDRESS = re.compile(
    r"hf:/{1,2}(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w.-]+))?(?P<inside>(?:/[\w.-]+)*)/?"
)
#: What is fetched of a folder: settings and, of these kinds of weights, the first that there is.
_WEIGHTS = (".safetensors", ".bin")


def is_address(source: Any) -> bool:
    """Return whether a path is an address of the Hub.

    Examples
    --------
    >>> is_address("hf://org/name"), is_address(Path("hf://org/name")), is_address("folder")
    (True, True, False)
    """
    return isinstance(source, str | os.PathLike) and str(os.fspath(source)).startswith("hf:/")


def local_folder(address: str | os.PathLike[str], *, download: bool = False) -> Path:
    """Return the folder in which the files of an address of the Hub are.

    Parameters
    ----------
    address : str or Path
        ``hf://org/name``, perhaps ``@revision``, perhaps a folder in it (``/unet``).
    download : bool, default False
        Whether what is not in the local cache may be fetched over the network.

    Returns
    -------
    Path
        In the cache of huggingface_hub; nothing in it is to be changed.

    Raises
    ------
    FormatError
        If it is no address, or nothing is there.
    MissingExtraError
        If huggingface_hub is not installed.
    """
    match = _ADDRESS.fullmatch(str(os.fspath(address)))
    if match is None or ".." in match["inside"].split("/"):
        raise FormatError(
            f"expected hf://org/name, perhaps with @revision or a folder behind it, got {address}"
        )
    hub: Any = require("huggingface_hub", "hf", needed_for=f"Finding {address}")
    repo, revision, inside = match["repo"], match["revision"], match["inside"].strip("/")
    try:
        wanted = _wanted(hub, repo, revision, inside) if download else None
        found = hub.snapshot_download(
            repo, revision=revision, local_files_only=not download, allow_patterns=wanted
        )
    except Exception as error:  # of the network, of access, of names: each library has its own
        raise FormatError(_not_there(repo, revision, error, download)) from error
    folder = Path(found) / inside
    if not folder.is_dir():
        raise FormatError(
            f"hf://{repo}: the folder {inside!r} is not in the local cache ({found}); "
            f"{_fetch(repo, revision)}"
        )
    return folder


def _wanted(hub: Any, repo: str, revision: str | None, inside: str) -> list[str]:
    """Return the files of a folder that describe a model, and one kind of weights."""
    files: list[str] = hub.HfApi().list_repo_files(repo, revision=revision)
    here = [name for name in files if name.rpartition("/")[0] == inside]
    kind = next((s for s in _WEIGHTS if any(name.endswith(s) for name in here)), "")
    endings = (".json", kind) if kind else (".json",)
    # Of a pattern, brackets are signs; names with others than these are left to the user.
    return [re.sub(r"([*?[])", r"[\1]", name) for name in here if name.endswith(endings)]


def _not_there(repo: str, revision: str | None, error: Exception, download: bool) -> str:
    at = f"@{revision}" if revision else ""
    reason = " ".join(str(error).split())[:300]
    if download:
        return f"hf://{repo}{at} could not be fetched ({type(error).__name__}: {reason})"
    return f"hf://{repo}{at} is not in the local cache ({reason}); {_fetch(repo, revision)}"


def _fetch(repo: str, revision: str | None) -> str:
    """Say how files are brought into the cache."""
    at = f" --revision {revision}" if revision else ""
    return (
        f"fetch it by download=True (cntgraph: --download), or by: hf download {repo}{at}; "
        "HF_HOME says where the cache is"
    )
