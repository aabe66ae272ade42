"""What is wrong with built pages: dead links, things fetched from elsewhere, errors in a browser.

    python docs/check.py docs/_build/html

Links within the pages and their anchors are followed; whatever a page loads must lie beside it.
Where there is a Chromium, some pages are opened, and the search is used, without any server.
"""

import re
import shutil
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

#: Opened in a browser: of each kind one.
OPENED = ("index.html", "guides/modular.html", "generated/api/cntgraph.pagerank.html",
          "generated/gallery/index.html", "reference/errors.html")  # fmt: skip


class Page(HTMLParser):
    """Anchors of a page, where its links lead, and what it loads."""

    def __init__(self, path):
        super().__init__()
        self.ids, self.links, self.loaded = set(), [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.ids.update(filter(None, (attrs.get("id"), attrs.get("name"))))
        if tag == "a" and attrs.get("href"):
            self.links.append(attrs["href"])
        elif tag == "link" and attrs.get("rel") in ("stylesheet", "icon", "preload"):
            self.loaded.append(attrs["href"])
        elif attrs.get("src"):
            self.loaded.append(attrs["src"])


def dead_links(top):
    """Yield what is wrong with links, and with what pages load."""
    pages = {path: Page(path) for path in sorted(top.rglob("*.html"))}
    for path, page in pages.items():
        where = path.relative_to(top)
        yield from (f"{where} loads {it}" for it in page.loaded if urlsplit(it).netloc)
        for link in (*page.links, *page.loaded):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.exists():
                yield f"{where}: there is no {link}"
            elif parts.fragment and target in pages:
                if unquote(parts.fragment) not in pages[target].ids:
                    yield f"{where}: there is no place {link}"
    for path in sorted(top.rglob("*.css")):
        found = re.findall(r"url\([\"']?((?:https?:)?//[^)]*)", path.read_text(encoding="utf-8"))
        yield from (f"{path.relative_to(top)} loads {it}" for it in found)


def browser_errors(top, chromium, folder=None):
    """Yield errors that a browser has with some pages; pictures of them are put into a folder."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1300, "height": 1000})
        said = []
        page.on("console", lambda message: said.append(message) if message.type == "error" else 0)
        page.on("pageerror", lambda error: said.append(error))
        page.on("request", lambda it: said.append(it.url) if it.url.startswith("http") else 0)
        for name in (*OPENED, "search.html?q=fluctuation"):
            page.goto(f"{top.resolve().as_uri()}/{name}")
            if "search" in name:
                page.wait_for_selector("#search-results li", timeout=20_000)
            if folder:
                page.screenshot(path=folder / (re.sub(r"\W", "_", name) + ".png"))
            yield from (f"{name}: {it}" for it in said)
            said.clear()
        browser.close()


def main(top, folder=None):
    """Print what is wrong, and return how much it is."""
    found = list(dead_links(top))
    chromium = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    if chromium:
        found += browser_errors(top, chromium, folder)
    print(*found, f"{len(found)} things are wrong", sep="\n")
    return min(len(found), 1)


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
