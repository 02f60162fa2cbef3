"""Looks at HTML reports in Chromium: axe-core's findings, width, and pictures.

usage: report_pages.py PICTURES NAME=REPORT.html ...

Every report in light and dark, on a desk and on a phone. Prints JSON: for each view the serious and critical findings of axe-core, how
many pixels the page is too wide, the addresses that it asked besides its own, and errors of its script; and axe-core's version.
"""

import json
import sys
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
VIEWS = [(scheme, width) for scheme in ("light", "dark") for width in (1180, 390)]


def look(browser, name, path, view, pictures):
    scheme, width = view
    page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": 900})
    asked, errors = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    address = Path(path).resolve().as_uri()
    page.goto(address)
    page.screenshot(path=pictures / f"{name}-{scheme}-{width}.png", full_page=True)
    result = Axe().run(page).response
    serious = [
        {"id": found["id"], "impact": found["impact"], "nodes": len(found["nodes"]), "first": found["nodes"][0]["html"][:200]}
        for found in result["violations"]
        if found["impact"] in ("serious", "critical")
    ]
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    page.close()
    asked = [url for url in asked if url != address]
    return {
        "report": name, "scheme": scheme, "width": width, "serious": serious, "tooWide": max(0, wide), "asked": asked,
        "errors": errors, "passes": len(result["passes"]), "axe": result["testEngine"]["version"],
    }


def main():
    pictures = Path(sys.argv[1])
    pictures.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        views = []
        for argument in sys.argv[2:]:
            name, path = argument.split("=", 1)
            views += [look(browser, name, path, view, pictures) for view in VIEWS]
        print(json.dumps({"chromium": browser.version, "views": views}))
        browser.close()


main()
