"""NamePatterns: numbers for modules by patterns of their names, as a file says them.

A regular expression that somebody else wrote may take forever. These are kept to what ends soon: a
few repetitions and groups, none within another, of names and in numbers as models have them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from cntgraph.core.errors import FormatError

#: What may be repeated, or chosen among, in one pattern.
_MOST_REPEATED = 2
_LONGEST = 200
#: How often a pattern may be held against a name, all in all.
_MOST_TRIED = 5_000


@dataclass(frozen=True)
class NamePatterns:
    r"""Numbers by patterns of which one is the end of a name, the first counting.

    Parameters
    ----------
    numbers : tuple of (re.Pattern, object)

    Examples
    --------
    >>> found = NamePatterns.of({"layers.0.q": 4, r".*\.k": 16}, 2, "rank_pattern")
    >>> [found.number(name, 8) for name in ("model.layers.0.q", "layers.1.k", "layers.1.q")]
    [4, 16, 8]
    """

    numbers: tuple[tuple[re.Pattern[str], Any], ...]

    @classmethod
    def of(cls, given: Any, n_names: int, what: str) -> NamePatterns:
        """Return the patterns that a file gives, if they can be tried on so many names.

        Raises
        ------
        FormatError
            If one is none, or trying them may take forever.
        """
        if not given:
            return cls(())
        if not isinstance(given, dict) or len(given) * n_names > _MOST_TRIED * 20:
            raise FormatError(f"{what}: expected numbers by patterns, not so many; {_INSTEAD}")
        repeated = sum(bool(_REPEATED.search(pattern)) for pattern in given)
        if repeated * n_names > _MOST_TRIED:
            raise FormatError(f"{what}: too many patterns with repetitions; {_INSTEAD}")
        return cls(tuple((_compiled(pattern, what), value) for pattern, value in given.items()))

    def number(self, name: str, usual: Any) -> Any:
        """Return the number of the first pattern that a name, or its end, is of."""
        if self.numbers and len(name) > _LONGEST:
            raise FormatError(f"a module's name is too long for patterns: {name[:80]}…")
        starts = [0, *(dot.end() for dot in re.finditer(r"\.", name))]
        fits = (
            value
            for pattern, value in self.numbers
            if any(pattern.fullmatch(name, start) for start in starts)
        )
        return next(fits, usual)


_INSTEAD = "write the modules' names out"
_REPEATED = re.compile(r"[*+?{]")


def _compiled(pattern: str, what: str) -> re.Pattern[str]:
    """Return a pattern, if it is one that ends soon."""
    nested = re.search(r"\)[*+?{]", pattern)
    counts = len(_REPEATED.findall(pattern)), pattern.count("(")
    if nested or max(counts) > _MOST_REPEATED or len(pattern) > _LONGEST:
        raise FormatError(f"{what}: the pattern {pattern!r:.80} may take forever; {_INSTEAD}")
    try:
        return re.compile(pattern)
    except (re.error, OverflowError) as error:
        raise FormatError(f"{what}: {pattern!r:.80} is no pattern ({error})") from error
