"""Runs the notebooks, keeps what they show, and tells where another run shows something else.

    python notebooks/run.py                # run all, and store them with what they show
    python notebooks/run.py 01_main_job    # only this one

What is stored is small: text, tables as text, and pictures in few colors. Two runs are compared by
words, by whole numbers, and by other numbers as far as rounding on another machine leaves them
alone; of pictures, by which cells have one. A cell with the tag ``varies`` shows times, or paths.
"""

import base64
import io
import os
import re
import sys
from itertools import zip_longest
from math import isclose
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image

FOLDER = Path(__file__).parent
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
#: What is kept of an output, if it has it.
KINDS = ("image/png", "text/plain")
#: Colors of a stored picture: more would make it larger, and hardly better.
COLORS = 64
#: How far numbers may differ that are not whole: a training on another processor rounds otherwise.
RELATIVE, ABSOLUTE = 0.02, 0.011

#: Tables are as wide as a terminal, small networks are trained on one core, pictures are drawn for
#: notebooks, and no package asks for the widgets of progress bars.
SETTINGS = {
    "COLUMNS": "110",
    "OMP_NUM_THREADS": "1",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "PYTHONWARNINGS": "ignore:IProgress not found",
}

_NUMBER = re.compile(r"(-?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?)")


def read(path):
    """Return a notebook as it is stored."""
    return nbformat.read(path, as_version=4)


def run(path):
    """Return a notebook with what it shows when it is run."""
    notebook = read(path)
    resources = {"metadata": {"path": str(FOLDER)}}
    client = NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources)
    client.execute(env=os.environ | SETTINGS)
    for cell in _code(notebook):
        cell.metadata.pop("execution", None)
        cell.outputs = [_small(output) for output in cell.outputs]
    return notebook


def store(path):
    """Run a notebook and store it with what it shows."""
    notebook = run(path)
    nbformat.validate(notebook)
    path.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")


def differences(stored, shown):
    """Return where two runs of a notebook show something else: a line each."""
    found = []
    for number, (old, new) in enumerate(zip_longest(_code(stored), _code(shown))):
        if old is None or new is None or old.source != new.source:
            return [*found, f"code cell {number} is another one"]
        if _kinds(old) != _kinds(new):
            found.append(f"code cell {number} shows {_kinds(new)}, not {_kinds(old)}")
        elif "varies" not in old.metadata.get("tags", ()):
            pairs = zip_longest(_parts(old), _parts(new), fillvalue="")
            other = next(((a, b) for a, b in pairs if not _alike(a, b)), None)
            found += [f"code cell {number} shows {other[1]!r}, not {other[0]!r}"] if other else []
    return found


def _code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _small(output):
    """Return what is stored of an output."""
    if output.output_type == "stream":
        if output.name != "stdout":
            raise ValueError(f"a notebook that is read shows no warnings:\n{output.text}")
        return output
    output.metadata = {}
    output.data = {kind: output.data[kind] for kind in KINDS if kind in output.data}
    if "image/png" in output.data:
        output.data["image/png"] = _in_few_colors(output.data["image/png"])
    return output


def _in_few_colors(png):
    picture, small = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB"), io.BytesIO()
    picture.quantize(COLORS).save(small, "PNG", optimize=True)
    return base64.b64encode(small.getvalue()).decode() + "\n"


def _kinds(cell):
    """Return what a cell shows: printed text, results, pictures."""
    return [sorted(output.get("data", {"printed": ""})) for output in cell.outputs]


def _parts(cell):
    """Return the words and the numbers that a cell shows, whatever the space between them."""
    texts = [output.get("text") or output.data["text/plain"] for output in cell.outputs]
    return [part for text in texts for word in text.split() for part in _NUMBER.split(word) if part]


def _alike(a, b):
    """Whether two words or numbers are the same."""
    if not (_NUMBER.fullmatch(a) and _NUMBER.fullmatch(b)) or {*a, *b}.isdisjoint(".e"):
        return a == b
    x, y = (float(text.replace(",", "")) for text in (a, b))
    return isclose(x, y, rel_tol=RELATIVE, abs_tol=ABSOLUTE)


if __name__ == "__main__":
    for stem in sys.argv[1:] or [path.stem for path in NOTEBOOKS]:
        store(FOLDER / f"{stem}.ipynb")
