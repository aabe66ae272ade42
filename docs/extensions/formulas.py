"""Formulas as `help` shows them, set as formulas on a page.

In docstrings a formula is plain text, indented after a blank line, with ``_k`` below
and ``^2`` above the line. A page needs no LaTeX, and no script from elsewhere, to show it so.
"""

import re
from itertools import pairwise

#: What hangs below a letter or above it; raised digits that are letters of their own stay.
_RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_BELOW = rf"(?<=[^\W_])_(\{{[^}}]*\}}|>?(?:(?![{_RAISED}])[\w.])+)"
_HANGING = re.compile(_BELOW + r"|\^(\([^)]*\)|\{[^}]*\}|[\w*-]+)")
#: In prose, where n_edges is a name, and n_ij a number.
_IN_PROSE = re.compile(rf"(?<!\w)([^\W\d_])_(>?(?:(?![{_RAISED}])[\w.]){{1,3}})(?![^\W{_RAISED}])")
_SPECIAL = re.compile(r"([\\*|`])")


def _set(text):
    """Return a line of a formula in reStructuredText."""
    # More than one space is a gap between two formulas of a line.
    text = re.sub(r" {2,}", "\u2003", text)
    parts, end = [], 0
    for found in _HANGING.finditer(text):
        parts.append(_SPECIAL.sub(r"\\\1", text[end : found.start()]))
        role = "sub" if found[1] else "sup"
        inner = (found[1] or found[2]).strip("{}")
        inner = inner[1:-1] if inner.startswith("(") and inner.endswith(")") else inner
        parts.append(rf"\ :{role}:`{inner}`\ ")
        end = found.end()
    return "".join(parts) + _SPECIAL.sub(r"\\\1", text[end:])


def _blocks(lines):
    """Yield lines by paragraph, blank ones by themselves."""
    block = []
    for line in lines:
        if line.strip():
            block.append(line)
            continue
        if block:
            yield block
        yield [line]
        block = []
    if block:
        yield block


def _is_formula(block):
    return all(line.startswith("    ") for line in block) and not block[0].lstrip().startswith(
        ">>>"
    )


def _escaped(line):
    """Return prose in which |w| is a magnitude and n_ a letter, not marks of reStructuredText."""
    parts = line.split("``")
    parts[::2] = [re.sub(r"\||(?<=\w)_(?=[^\w`]|$)", r"\\\g<0>", part) for part in parts[::2]]
    return "``".join(parts)


def _lowered(line):
    """Return prose in which what hangs below a letter does."""
    parts = line.split("``")
    parts[::2] = [_IN_PROSE.sub(r"\1\\ :sub:`\2`\\ ", part) for part in parts[::2]]
    return "``".join(parts)


def _notes(lines):
    """Yield the lines of a docstring's notes with their formulas set."""
    for block in _blocks(lines):
        if _is_formula(block):
            yield from (".. rst-class:: formula", "")
            yield from (f"| {_set(line.strip())}" for line in block)
        else:
            yield from (_escaped(_lowered(line)) for line in block)


def _sections(lines):
    """Yield the sections of a docstring: the first without, others with their heading."""
    heads = [n for n in range(len(lines) - 1) if re.fullmatch(r"\s*-{3,}", lines[n + 1])]
    for begin, end in pairwise([0, *heads, len(lines)]):
        yield lines[begin:end]


def set_formulas(app, what, name, obj, options, lines):
    """Set the formulas in a docstring, before numpydoc reads it."""
    found = []
    for section in _sections(lines):
        head = section[0].strip() if section else ""
        if head == "Notes":
            found += [*section[:2], *_notes(section[2:])]
        else:
            found += section if head == "Examples" else map(_escaped, section)
    lines[:] = found


def setup(app):
    app.connect("autodoc-process-docstring", set_formulas, priority=100)
    return {"parallel_read_safe": True}
