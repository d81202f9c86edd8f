"""docs/architecture.md: its pictures and its table show what the code has."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

from fresh_endpoints.aws import tags

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
DRAWN = runpy.run_path(str(ROOT / "include" / "docs_site" / "pictures.py"))
FLOORS = runpy.run_path(str(ROOT / "tests" / "repository" / "test_rooms.py"))["FLOORS"]


def test_the_pictures_are_as_they_are_drawn_and_the_page_shows_each():
    for name, svg in DRAWN["PICTURES"].items():
        assert (ROOT / "docs" / "images" / name).read_text() == svg, "make pictures draws them anew"
        assert f"](images/{name})" in PAGE


def test_the_picture_of_the_house_has_its_floors_from_the_top():
    # Above them are the commands.
    assert [tuple(floor.title.split(", ")) for floor in DRAWN["ROOMS"]] == FLOORS[1:]


def test_the_table_has_each_tag():
    own = {value.removeprefix(tags.PREFIX) for value in vars(tags).values() if str(value).startswith(tags.PREFIX)} - {
        ""
    }
    table = PAGE.partition("| tag | on |")[2].partition("\n\n")[0]
    assert sorted(re.findall(r"^\| `([a-z-]+)`", table, re.MULTILINE)) == sorted(own)
