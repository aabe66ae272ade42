"""new_folder: a folder is filled beside its place, and put there when it is complete."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from cntgraph.core.errors import CntGraphError


@contextmanager
def new_folder(
    folder: Path, *, overwrite: bool = False, own: Callable[[str], bool], what: str
) -> Iterator[Path]:
    """Yield a folder beside the one that is to be; it takes its place when all is written.

    Parameters
    ----------
    folder : Path
        Where it is to be; what is above it is made, too.
    overwrite : bool, default False
        Whether one that an earlier call wrote is replaced.
    own : callable
        Says of a name whether such a call wrote it: a folder with others is never replaced.
    what : str
        What it holds, in words.

    Yields
    ------
    Path

    Raises
    ------
    CntGraphError
        If the folder is there and may not be replaced, or nothing can be written there; what was
        there before stays.

    Examples
    --------
    >>> with TemporaryDirectory() as here:
    ...     with new_folder(Path(here, "a"), own=str.isalpha, what="letters") as made:
    ...         _ = (made / "b").write_text("b")
    ...     Path(here, "a", "b").read_text()
    'b'
    """
    _check(folder, overwrite, own, what)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as temporary:
            made = Path(temporary, folder.name)
            made.mkdir()
            yield made
            if folder.exists():
                _check(folder, overwrite, own, what)
                folder.rename(Path(temporary, "before"))
            made.rename(folder)
    except OSError as error:
        raise CntGraphError(f"{folder} cannot be written: {error}") from error


def _check(folder: Path, overwrite: bool, own: Callable[[str], bool], what: str) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise CntGraphError(f"{folder} is a file: expected a new folder")
    names = [path.name for path in folder.iterdir()]
    if names and not overwrite:
        raise CntGraphError(
            f"{folder} exists: expected a new folder; pass overwrite=True (--overwrite) to replace "
            "the tables in it"
        )
    if not all(map(own, names)):
        raise CntGraphError(
            f"{folder} holds more than {what}, and is not replaced: expected a new folder"
        )
