"""Text in XML: what has a meaning there is escaped, what must not be there is replaced."""

from __future__ import annotations

#: The sign that stands for a character which cannot be written.
REPLACEMENT = "\ufffd"


#: Control characters but tab and ends of lines, halves of surrogate pairs, and no characters.
_FORBIDDEN = {*range(0x20), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF} - {9, 10, 13}
_PRINTABLE = dict.fromkeys(_FORBIDDEN, REPLACEMENT)
# Tab and ends of lines as references, or a reader makes spaces of them in an attribute.
_ESCAPED = _PRINTABLE | str.maketrans({
    "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;",
    "\t": "&#9;", "\n": "&#10;", "\r": "&#13;",
})  # fmt: skip


def escape(text: str) -> str:
    """Return a text as it stands in XML, in an attribute or between tags.

    Parameters
    ----------
    text : str
        Anything, such as the name of a layer.

    Returns
    -------
    str
        Control characters and halves of surrogate pairs, which XML 1.0 has no way to write,
        become U+FFFD.

    Examples
    --------
    >>> escape('a<b> & "c"')
    'a&lt;b&gt; &amp; &quot;c&quot;'
    """
    return text.translate(_ESCAPED)


def printable(text: str) -> str:
    r"""Return a text without the characters that `escape` replaces, and nothing escaped.

    Examples
    --------
    >>> printable("a\x00b") == f"a{REPLACEMENT}b"
    True
    """
    return text.translate(_PRINTABLE)
