"""Which AWS tags a file may give."""

import pytest

from pipeline_files import changed

WRONG = {
    "reserved tags": (
        [("name: iris\n", "name: iris\naws_tags: {'aws:a': x, 'fresh-endpoints:b': y, c: '!'}\n")],
        [
            "aws_tags.aws:a: found the prefix 'aws:', which is reserved; choose another key",
            ("aws_tags.fresh-endpoints:b: found the prefix 'fresh-endpoints:', which is reserved; choose another key"),
            "aws_tags.c: found '!'; it must satisfy regular expression pattern: ([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*)",
        ],
    ),
    "too many tags": (
        [("name: iris\n", f"name: iris\naws_tags: {{{', '.join(f't{n}: x' for n in range(47))}}}\n")],
        ["aws_tags: found 47 tags; allowed 34, as up to 16 are added"],
    ),
}


@pytest.mark.parametrize(("changes", "expected"), WRONG.values(), ids=WRONG)
def test_wrong_files_say_what_is_wrong(problems, changes, expected):
    assert sorted(problems(changed(*changes))) == sorted(expected)
