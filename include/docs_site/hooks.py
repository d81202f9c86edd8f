"""Makes mkdocs build the site from pages that are written to be read in the repository.

README and its neighbours become pages, and links to other files of the repository lead to copies of them. A page that
would load anything from another host fails the build. See https://www.mkdocs.org/user-guide/configuration/#hooks.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

sys.path.insert(0, str(Path(__file__).parent))

import pages


def on_files(files: Any, config: Any) -> Any:
    """Add README, as the first page, and the pages beside it.

    Args:
        files: mkdocs' files.
        config: mkdocs' configuration.
    """
    for page in sorted(pages.ROOT.glob("*.md")):
        files.append(File.generated(config, pages.uri_of(page), abs_src_path=str(page)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Turn a page's links and lists into the site's.

    Args:
        markdown: The page as it is in the repository.
        page: mkdocs' page.
        config: mkdocs' configuration.
        files: mkdocs' files, which get the sources that the page links to.
    """

    def take(path: Path) -> None:
        uri = pages.uri_of(path)
        if files.get_file_from_path(uri) is None:
            files.append(File.generated(config, uri, abs_src_path=str(path)))

    return pages.indented(pages.linked(markdown, Path(page.file.abs_src_path).parent, take))


def on_post_page(output: str, page: Any, config: Any) -> str:
    """See that a page loads nothing from another host.

    Args:
        output: The page's HTML.
        page: mkdocs' page.
        config: mkdocs' configuration.

    Raises:
        PluginError: It does.
    """
    if found := pages.from_elsewhere(output):
        raise PluginError(f"{page.file.src_uri} loads {found} from another host; the site is whole without a network")
    return output
