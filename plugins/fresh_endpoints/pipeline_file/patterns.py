"""What a regular expression of a pipeline file may be, before it is compiled: compiling alone may fill the memory.

The regex module, which can be stopped while it matches, writes out every counted repetition when it compiles: of
``((a{1000}){1000}){1000}`` a thousand million.
"""

from __future__ import annotations

import re

from fresh_endpoints.pipeline_file.limits import LONGEST_PATTERN

MOST_REPEATED = 10_000
# An escape, a set of characters, a group's begin or end, a counted repetition, or any other character.
_TOKEN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(|\)|\{(\d*)(?:,(\d*))?\}|.", re.DOTALL)


def problem_of(pattern: str) -> str | None:
    """Find why a pattern must not be compiled.

    Args:
        pattern: The pattern.

    Returns:
        What is found and allowed; None where it may be compiled, if it is one.
    """
    if len(pattern) > LONGEST_PATTERN:
        return f"it has {len(pattern)} characters; allowed {LONGEST_PATTERN}"
    if _length_written_out(pattern) > MOST_REPEATED:
        return f"its repetitions, each written out, have more than {MOST_REPEATED} parts; repeat less, or with * or +"
    return None


def _length_written_out(pattern: str) -> int:
    around: list[int] = []
    total = last = 0
    for found in _TOKEN.finditer(pattern):
        if found[0] == "(":
            around.append(total)
            total, last = 0, 0
        elif found[0] == ")" and around:
            last = total + 1
            total = around.pop() + last
        elif found[1] is None:
            last = 1
            total += last
        else:
            times = max(int(count) for count in (found[1] or "0", found[2] or "0"))
            total += last * max(times - 1, 0)
            last *= max(times, 1)
    # A group that never ends is no pattern; what is in it counts all the same.
    return total + sum(around)
