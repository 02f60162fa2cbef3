"""The HTML report in Chromium: complete without script, accessible, at home in light, dark, on a phone and on paper."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
VIEWS = [("light", 1180), ("dark", 1180), ("light", 390), ("dark", 390)]
SECTIONS = ["labels", "confusion", "confidence", "mistakes", "slices", "learning", "search", "data", "cost", "origin"]


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def pages(loquat, tmp_path_factory):
    """The report of the trained version, and a comparison of it with itself under another number."""
    folder = tmp_path_factory.mktemp("report")
    report, comparison = folder / "report.html", folder / "comparison.html"
    done = loquat("report", "tickets:1", "--format", "html", "-o", str(report))
    assert done.returncode == 0, done.stderr
    done = loquat("report", "--compare", "tickets:1", "tickets:1", "--format", "html", "-o", str(comparison))
    assert done.returncode == 0, done.stderr
    return {"report": report.as_uri(), "comparison": comparison.as_uri()}


@pytest.mark.parametrize("name", ["report", "comparison"])
@pytest.mark.parametrize(("scheme", "width"), VIEWS)
def test_a_page_is_accessible_and_asks_nothing_of_the_network(browser, pages, name, scheme, width):
    page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": 900})
    asked, errors = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(pages[name])
    result = Axe().run(page)
    serious = [
        (found["id"], found["nodes"][0]["html"])
        for found in result.response["violations"]
        if found["impact"] in ("serious", "critical")
    ]
    overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    page.close()
    assert serious == []
    assert errors == []
    assert asked == [pages[name]]
    assert overflow <= 0


def test_everything_is_there_without_script(browser, pages):
    page = browser.new_page(java_script_enabled=False)
    page.goto(pages["report"])
    for section in SECTIONS:
        assert page.locator(f"#{section}").is_visible(), section
    hidden = page.locator("tbody tr[hidden], .mistakes > li[hidden]").count()
    page.close()
    assert hidden == 0


def test_the_keyboard_sorts_a_table_and_moves_the_threshold(browser, pages):
    page = browser.new_page()
    page.goto(pages["report"])
    first = page.locator("#labels tbody th").first
    before = first.inner_text()
    heading = page.locator("#labels thead button").nth(1)
    heading.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    assert first.inner_text() != before
    said = page.locator(".explorer output")
    text = said.inner_text()
    page.locator(".explorer input[type=range]").focus()
    for _ in range(30):
        page.keyboard.press("ArrowRight")
    assert said.inner_text() != text
    page.close()
