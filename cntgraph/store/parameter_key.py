"""The name of a parameter's dataset in a file (see FORMAT.md)."""

from __future__ import annotations

from urllib.parse import quote


def parameter_key(name: str) -> str:
    """Return the name of a parameter's dataset.

    Parameters
    ----------
    name : str

    Returns
    -------
    str

    Examples
    --------
    >>> parameter_key("conv1.weight"), parameter_key("/conv1/W")
    ('conv1.weight', '%2Fconv1%2FW')
    """
    key = quote(name, safe="")
    # "." and ".." mean something else in a path.
    return key.replace(".", "%2E") if set(key) <= {"."} else key
