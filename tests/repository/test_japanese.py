"""Each Japanese page is its English page: section by section the same code, links, tables, lists and pictures."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
JAPANESE = sorted([*ROOT.glob("*.ja.md"), *ROOT.glob("docs/**/*.ja.md")])
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
LANGUAGES = re.compile(r"^\[(?:日本語|English)\]\((\S+)\)$", re.MULTILINE)
KANA = re.compile("[ぁ-んァ-ヶ]")


@dataclass(frozen=True)
class Section:
    """A heading, with what stands below it up to the next one."""

    level: int
    title: str
    text: str

    @property
    def prose(self) -> str:
        """The text without its blocks of code."""
        return BLOCK.sub("", self.text)


def english_of(page: Path) -> Path:
    return page.with_name(page.name.replace(".ja.md", ".md"))


def japanese_of(page: Path) -> Path:
    return page.with_name(f"{page.stem}.ja.md")


def sections(page: Path) -> list[Section]:
    text = LANGUAGES.sub("", page.read_text())
    hidden = BLOCK.sub(lambda block: re.sub("^#", "\0", block[0], flags=re.MULTILINE), text)
    pieces = re.split(r"^(#+) (.+)$", hidden, flags=re.MULTILINE)[1:]
    return [
        Section(len(marks), title, body.replace("\0", "#"))
        for marks, title, body in zip(*(pieces[part::3] for part in range(3)), strict=True)
    ]


def blocks(section: Section, _: Path) -> list[str]:
    """The blocks of code, without comments and without what indents the whole block."""
    return [
        "\n".join(re.sub(r"(^|\s+)# .*", "", line.removeprefix(indent)) for line in code.splitlines())
        for indent, _, code in BLOCK.findall(section.text)
    ]


def code_words(section: Section, _: Path) -> list[str]:
    return re.findall(r"`([^`\n]+)`", section.prose)


def versions(section: Section, _: Path) -> list[str]:
    return re.findall(r"\d+(?:\.\d+)+", section.prose)


def pictures(section: Section, _: Path) -> list[str]:
    return re.findall(r"!\[[^\]]*\]\((\S+)\)", section.prose)


def links(section: Section, page: Path) -> list[str]:
    """Where the links lead: a page that there is in both languages is named by its English file."""
    return [target(page, link) for link in re.findall(r"(?<!!)\[[^\]]*\]\((\S+?)\)", section.prose)]


def target(page: Path, link: str) -> str:
    path, _, anchor = link.partition("#")
    if "://" in link or not path.endswith(".md"):
        return link
    led_to = (page.parent / path).resolve()
    place = f"#{heading_number(led_to, anchor)}" if anchor else ""
    if is_translated(led_to) and page.name.endswith(".ja.md") != led_to.name.endswith(".ja.md"):
        return f"{path}{place} (the other language's page)"
    return path.replace(".ja.md", ".md") + place


def is_translated(page: Path) -> bool:
    return page.name.endswith(".ja.md") or japanese_of(page).exists()


def heading_number(page: Path, anchor: str) -> str:
    """The anchor's heading, by its number, since its words differ between the languages."""
    titles = [re.sub(r"[^\w -]", "", each.title.lower()).replace(" ", "-") for each in sections(page)]
    return f"heading {titles.index(anchor) + 1}" if anchor in titles else anchor


def tables(section: Section, _: Path) -> list[str]:
    """The tables' shapes."""
    found = re.findall(r"(?:^ *\|.*\|$\n?)+", section.prose, re.MULTILINE)
    rows = [[len(re.split(r"(?<!\\)\|", row.strip())) - 2 for row in table.splitlines()] for table in found]
    return [f"{len(table)} lines of {'/'.join(map(str, sorted(set(table))))} cells" for table in rows]


def lists(section: Section, _: Path) -> list[str]:
    return [
        f"{mark[-1].replace('*', '-')} item" for mark in re.findall(r"^ *([-*]|\d+\.) ", section.prose, re.MULTILINE)
    ]


KEPT: dict[str, Callable[[Section, Path], list[str]]] = {
    "code": blocks,
    "words in backticks": code_words,
    "versions": versions,
    "pictures": pictures,
    "links": links,
    "tables": tables,
    "list items": lists,
}


def differences(english: Path, japanese: Path) -> Iterator[str]:
    """Say what differs, so that it can be mended by what is said alone."""
    for number, (one, other) in enumerate(zip_longest(sections(english), sections(japanese)), start=1):
        if one is None or other is None or one.level != other.level:
            yield f"heading {number}: {_heading(english, one)}, {_heading(japanese, other)}"
            return  # What comes after would be compared with another section.
        for what, of in KEPT.items():
            yield from _differing(what, of(one, english), of(other, japanese), f"{one.title} / {other.title}")


def _heading(page: Path, section: Section | None) -> str:
    return f"{page.name} has " + (f"{'#' * section.level} {section.title}" if section else "no more")


def _differing(what: str, english: list[str], japanese: list[str], where: str) -> Iterator[str]:
    only_english, only_japanese = Counter(english) - Counter(japanese), Counter(japanese) - Counter(english)
    for language, only in (("English", only_english), ("Japanese", only_japanese)):
        if only:
            yield f"{where}: {what} of the {language} page only: " + ", ".join(sorted(only.elements()))


def test_the_two_pages_that_people_from_the_article_read_first_are_there_in_japanese():
    assert {page.relative_to(ROOT).as_posix() for page in JAPANESE} >= {
        "README.ja.md",
        "docs/from-step-functions.ja.md",
    }


@pytest.mark.parametrize("japanese", JAPANESE, ids=lambda page: page.name)
def test_a_japanese_page_has_what_its_english_page_has(japanese):
    found = list(differences(english_of(japanese), japanese))
    assert found == [], "\n".join(["", *found])


@pytest.mark.parametrize("japanese", JAPANESE, ids=lambda page: page.name)
def test_each_page_leads_to_the_other_language_at_its_top(japanese):
    english = english_of(japanese)
    for page, other in ((english, japanese), (japanese, english)):
        top = "\n".join(page.read_text().splitlines()[:8])
        assert LANGUAGES.findall(top) == [other.name], page.name


@pytest.mark.parametrize("japanese", JAPANESE, ids=lambda page: page.name)
def test_no_paragraph_was_left_in_english(japanese):
    paragraphs = [each.strip() for section in sections(japanese) for each in section.prose.split("\n\n")]
    in_words = [each for each in paragraphs if re.search(r"[a-z]{3,} [a-z]{2,} [a-z]{2,} [a-z]{2,}", each)]
    assert [each for each in in_words if not KANA.search(each)] == []


PAGE = """# A page

Words with `code` of 3.1.

```sh
make demo  # it runs
```

## A section

* [a page](docs/promises.md), ![a picture](docs/images/models.png)

| a | b |
|---|---|
| 1 | 2 |
"""


@pytest.mark.parametrize(
    ("found", "instead", "said"),
    [
        ("## A section", "### A section", "heading 2: page.md has ## A section, page.ja.md has ### A section"),
        ("## A section", "A section", "heading 2: page.md has ## A section, page.ja.md has no more"),
        ("make demo", "make test", "code of the English page only: make demo"),
        ("`code`", "`other`", "words in backticks of the Japanese page only: other"),
        ("3.1.", "3.1.2.", "versions of the English page only: 3.1"),
        ("promises.md", "using.md", "links of the Japanese page only: docs/using.md"),
        ("models.png", "model.png", "pictures of the English page only: docs/images/models.png"),
        ("| 1 | 2 |\n", "", "tables of the English page only: 3 lines of 2 cells"),
        ("* [a", "[a", "list items of the English page only: - item"),
    ],
)
def test_what_differs_is_said_with_its_place(tmp_path, found, instead, said):
    (tmp_path / "page.md").write_text(PAGE)
    (tmp_path / "page.ja.md").write_text(PAGE.replace("it runs", "実行"))
    assert list(differences(tmp_path / "page.md", tmp_path / "page.ja.md")) == []
    (tmp_path / "page.ja.md").write_text(PAGE.replace(found, instead))
    assert said in "\n".join(differences(tmp_path / "page.md", tmp_path / "page.ja.md"))


def test_a_japanese_page_leads_to_japanese_pages_where_there_are_some(tmp_path):
    for name, text in (("a", "[b](b{}.md#{})"), ("b", "## {}")):
        (tmp_path / f"{name}.md").write_text("# T\n\n" + text.format("" if name == "a" else "Section", "section"))
        (tmp_path / f"{name}.ja.md").write_text("# T\n\n" + text.format(".ja" if name == "a" else "節", "節"))
    assert list(differences(tmp_path / "a.md", tmp_path / "a.ja.md")) == []
    (tmp_path / "a.ja.md").write_text("# T\n\n[b](b.md#section)")
    assert "the other language's page" in "\n".join(differences(tmp_path / "a.md", tmp_path / "a.ja.md"))
