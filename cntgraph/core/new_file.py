"""new_file: a file is written beside its place, and put there when it is complete."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cntgraph.core.errors import CntGraphError


def check_free(
    path: Path,
    sources: Iterable[Path] = (),
    *,
    overwrite: bool,
    error: type[CntGraphError] = CntGraphError,
) -> None:
    """Refuse to write where something is, before anything is computed.

    Parameters
    ----------
    path : Path
        Where a file is to be written.
    sources : iterable of Path
        What is read for it, none of which is ever replaced.
    overwrite : bool
        Whether anything else is.
    error : type
        What is raised; a child of `CntGraphError`.

    Raises
    ------
    CntGraphError
        If there is a file, and it may not be replaced.

    Examples
    --------
    >>> check_free(Path("no such folder", "a.csv"), overwrite=False)
    """
    if not path.exists():
        return
    if any(source.exists() and path.samefile(source) for source in sources):
        raise error(f"{path} is what is read: expected another file to write to")
    if path.is_dir():
        raise error(f"{path} is a folder: expected a file to write to")
    if not overwrite:
        raise error(
            f"{path} exists: expected a new file; pass overwrite=True (--overwrite) to replace it"
        )


@contextmanager
def new_file(
    path: Path,
    *,
    overwrite: bool = False,
    put: Callable[[Path, Path], object] = os.replace,
    error: type[CntGraphError] = CntGraphError,
) -> Iterator[Path]:
    """Yield a name beside a file's own to write to; it gets its own when all is written.

    Parameters
    ----------
    path : Path
    overwrite : bool, default False
        Whether a file of that name is replaced.
    put : callable
        Gives the one path the place of the other; by default at once, as the system can.
    error : type
        What is raised; a child of `CntGraphError`.

    Raises
    ------
    CntGraphError
        If there is a file and it is not to be replaced, or the new one cannot be written; what
        was there before stays.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with new_file(Path(folder, "a.txt")) as temporary:
    ...         _ = temporary.write_text("text")
    ...     Path(folder, "a.txt").read_text()
    'text'
    """
    check_free(path, overwrite=overwrite, error=error)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp{path.suffix}")
    try:
        yield temporary
        check_free(path, overwrite=overwrite, error=error)
        put(temporary, path)
    except CntGraphError:
        raise
    except (OSError, ValueError, TypeError) as cause:
        raise error(f"{path} cannot be written: {cause}") from cause
    finally:
        temporary.unlink(missing_ok=True)
