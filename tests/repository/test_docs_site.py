"""The docs as a site: what becomes of the pages; `make docs`, a stage of CI, builds it and knows no broken link."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SITE = runpy.run_path(str(ROOT / "include" / "docs_site" / "pages.py"))
MKDOCS = (ROOT / "mkdocs.yml").read_text()


def test_every_page_has_its_place_in_the_site():
    pages = [path.name for path in [*(ROOT / "docs").glob("*.md"), *ROOT.glob("*.md")]]
    listed = re.findall(r"^ +- (?:[^:]+: )?(\S+\.md)$|^  - Fresh Endpoints: (\S+)$", MKDOCS, re.MULTILINE)
    named = [one or other for one, other in listed]
    assert sorted(named) == sorted("index.md" if name == "README.md" else name for name in pages)


def test_ci_builds_it():
    assert re.search(r"^for target in .*\bdocs\b", (ROOT / ".ci/run").read_text(), re.MULTILINE)


@pytest.mark.parametrize(
    ("link", "in_site", "taken"),
    [
        ("[a](../README.md#one-run)", "[a](index.md#one-run)", "README.md"),
        ("[a](../CONTRIBUTING.md)", "[a](CONTRIBUTING.md)", "CONTRIBUTING.md"),
        ("[a](costs.md)", "[a](costs.md)", "docs/costs.md"),
        ("![a](images/models.png)", "![a](images/models.png)", "docs/images/models.png"),
        ("[a](../include/demo.py)", "[a](source/include/demo.py)", "include/demo.py"),
        ("[a](../include/pipelines/examples/)", "a", None),
        ("[a](#here) and [b](https://example.com/c.md)", "[a](#here) and [b](https://example.com/c.md)", None),
        ("[a](gone.md)", "[a](gone.md)", None),
    ],
)
def test_a_link_leads_to_the_sites_copy(link, in_site, taken):
    found: list[Path] = []
    assert SITE["linked"](link, ROOT / "docs", found.append) == in_site
    assert [str(path.relative_to(ROOT)) for path in found] == ([taken] if taken else [])


IN_REPOSITORY = """\
1. One:

   ```sh
   a
     b
   ```
2. Two
   goes on.

- x
  y

Text

```
   code
```
"""
IN_SITE = """\
1. One:

    ```sh
    a
      b
    ```

2. Two
    goes on.

- x
    y

Text

```
   code
```
"""


def test_what_belongs_to_an_item_is_indented_and_the_next_item_parted_from_it():
    assert SITE["indented"](IN_REPOSITORY) == IN_SITE


@pytest.mark.parametrize(
    ("html", "is_refused"),
    [
        ('<script src="https://example.com/a.js"></script>', True),
        ('<link rel="stylesheet" href="//example.com/a.css">', True),
        ('<img alt="a" src="http://example.com/a.png">', True),
        ('<a href="https://example.com">a link is followed by a person</a>', False),
        ('<script src="assets/a.js"></script><link href="assets/a.css"><img src="images/a.png">', False),
    ],
)
def test_a_page_that_loads_from_another_host_is_found(html, is_refused):
    assert bool(SITE["from_elsewhere"](html)) is is_refused
