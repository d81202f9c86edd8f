"""Each page says for whom it is, and holds no word that nobody knows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from spellchecker import SpellChecker

ROOT = Path(__file__).parents[2]
# Those in Japanese are others' to read.
DOCS = sorted(page for page in (ROOT / "docs").glob("*.md") if not page.name.endswith(".ja.md"))
PAGES = [*(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")), *DOCS]
WORDS = (ROOT / "docs" / "words.txt").read_text().splitlines()
DICTIONARY = SpellChecker(distance=1)
# Code, addresses, where a link leads to, and what stands between angles.
CODE = re.compile(r"^ *```.*?^ *```|`[^`]*`|\]\([^)]*\)|<[^>\n]*>|&\w+;|https?://\S+", re.DOTALL | re.MULTILINE)
# Names: with capitals inside or only such, with digits, and of files, packages and repositories.
NAME = re.compile(r".*[a-z][A-Z]|[A-Z]{2,}s?$|.*[\d/_@=#.:]")


def words_of(text: str) -> Iterator[tuple[int, str]]:
    """The words of a page, each with its line."""
    blank = CODE.sub(lambda found: "\n" * found[0].count("\n"), text)
    for number, line in enumerate(blank.splitlines(), 1):
        for token in re.findall(r"[^\s|*\"“”()\[\],;!?→…]+", line):
            word = re.sub(r"['\u2019]s?$", "", token.strip("-.:'\u2019`"))
            if word.isascii() and not NAME.match(word):
                parts = [part for part in word.split("-") if part.isalpha() and not NAME.match(part)]
                yield from ((number, part.lower()) for part in parts)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_word_is_in_the_dictionary_or_in_the_list(page):
    found = [(number, word) for number, word in words_of(page.read_text()) if word not in WORDS]
    unknown = DICTIONARY.unknown({word for _, word in found})
    assert [
        f"{page.relative_to(ROOT)}:{number}: {word!r} is in no dictionary; correct it, or add it to docs/words.txt"
        for number, word in found
        if word in unknown
    ] == []


def test_a_word_that_nobody_knows_is_found_where_it_stands():
    text = (
        "The endpiont is `lvie`.\n\n```sh\nmkae\n```\n\nAn [endpoint](lnik.md) with CreateModel, ARNs and its-hlod.\n"
    )
    found = list(words_of(text))
    assert DICTIONARY.unknown(word for _, word in found) == {"endpiont", "hlod"}
    assert (1, "endpiont") in found
    assert (7, "hlod") in found


def test_the_list_is_sorted_and_holds_no_word_twice():
    assert sorted(set(WORDS)) == WORDS
    assert [word for word in WORDS if not re.fullmatch(r"[a-z]+", word)] == []


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_a_page_opens_with_whom_it_is_for(page):
    title, _, text = page.read_text().partition("\n\n")
    assert re.fullmatch(r"# .+", title)
    assert text.startswith("For "), "the first sentence begins with whom the page is for"
