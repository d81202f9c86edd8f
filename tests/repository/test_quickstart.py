"""docs/quickstart.md, letter by letter: its steps, one after another, and what it says that they end with."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "quickstart.md").read_text()
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def commands(folder: Path) -> Iterator[str]:
    """The page's shell blocks and changes, in their order, as one script; the reader's folder is the test's."""
    for kind, block in BLOCKS:
        if kind == "sh":
            # `make setup` has set up what this runs in, and may not be run beside other tests.
            yield block.replace("make setup\n", "").replace("../returns", str(folder))
        elif kind == "diff":
            yield from changes(block, folder / "returns.yaml")


def changes(block: str, file: Path) -> Iterator[str]:
    """Commands that change the lines of a file as a diff says: one block of - lines, and the + lines in its place."""
    for number, (old, new) in enumerate(re.findall(r"((?:^-.*\n)+)((?:^\+.*\n)+)", block, re.MULTILINE)):
        wanted, became = (re.sub(r"^[-+]", "", lines, flags=re.MULTILINE) for lines in (old, new))
        for name, text in ((f"{number}.old", wanted), (f"{number}.new", became)):
            (file.parent / name).write_text(text)
        yield f"""python3 - {file} {number} <<'END'
import pathlib, sys
file, number = pathlib.Path(sys.argv[1]), sys.argv[2]
old, new = ((file.parent / f"{{number}}.{{name}}").read_text() for name in ("old", "new"))
assert file.read_text().count(old) == 1, old
file.write_text(file.read_text().replace(old, new))
END
"""


@pytest.mark.timeout(900)
def test_the_steps_make_an_endpoint_and_update_it_the_next_day(
    tmp_path: Path, demo_environment: Mapping[str, str]
) -> None:
    folder = tmp_path / "returns"
    folder.mkdir()
    script = "set -eo pipefail\n" + "".join(commands(folder))
    assert script.count("make demo") == 2
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=ROOT,
        env=dict(demo_environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=850,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "returns: ok\n" in done.stdout
    shown = [line for kind, block in BLOCKS if not kind for line in block.splitlines()]
    assert len(shown) > 6
    said = [re.sub(r"returns-(2019-03-04)-\w+", r"returns-\1-…", line) for line in done.stdout.splitlines()]
    assert [line for line in shown if line not in said] == []
    assert re.search(r"^ +Serves  returns-2019-03-05-", done.stdout, re.MULTILINE)
