"""The HTML report, looked at in a browser: whole, quiet, self-contained, readable on a phone."""

import json
import os
import re
import shutil
import xml.etree.ElementTree as ET
from base64 import b64decode

import pytest

from emergence_stats.claims.project import Project
from emergence_stats.evaluation.evaluate import evaluate
from emergence_stats.evaluation.watch import look
from emergence_stats.interfaces.pages import html_page
from emergence_stats.robustness.explore import explore
from emergence_stats.robustness.recorded import attach, record_multiverse, record_power
from emergence_stats.robustness.simulate import simulate
from emergence_stats.traces.store import Store
from tests.support import HYPOTHESIS, add_run, edited

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
HOSTILE = '<script>alert("$1")</script>&amp; $x_'

TOP_DOWN = '''
"""Deeper blocks collapse first, and the recovery comes before emergence."""
from emergence_stats import (
    Claim, Count, Hypothesis, Mean, Needs, Prediction, Region, Share, collapse, emergence, floor,
    precedence, recovery, surrogate,
)


def depth_order(run, fraction=0.5):
    """Mean tau-b of depth and collapse."""
    return collapse(floor(run, layers="blocks"), fraction).layer_order().mean()


def leads(run, rise=0.25):
    """Task-levels whose recovery comes first."""
    emerged = emergence(run, rise=rise)
    before = precedence(recovery(floor(run, before=emerged)), emerged) > 0
    return Count(int(before.sum()), len(before))


order = Hypothesis(
    claim=Claim("Deeper <b>blocks</b> first.", paper="a paper", reported={"v1": "32/32 & more"}),
    needs=Needs(measures=["rankme", "accuracy"]),
    predictions=[
        Prediction("tau-b", depth_order, Region.at_most(-0.3), Mean(bounds=(-1.0, 1.0))),
        Prediction("leads", leads, Region.at_least(0.5), Share()),
    ],
    controls=[surrogate("rankme")],
    multiverse={"fraction": [0.25, 0.5, 0.75], "rise": [0.25, 0.5]},
)
'''


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    """A page of two claims, one with everything and one that no run can answer, with hostile names."""
    root = tmp_path_factory.mktemp("project")
    (root / "hypotheses").mkdir()
    (root / "pyproject.toml").write_text("[tool.emergence_stats]\n")
    (root / "hypotheses" / "order.py").write_text(TOP_DOWN)
    (root / "hypotheses" / "learns.py").write_text(edited(HYPOTHESIS, '"accuracy"', '"absent"'))
    tasks = ("add", "mod", HOSTILE)
    for seed in range(5):
        add_run(root / "data", seed, tasks=tasks)
        add_run(root / "data", seed, scale="d40", n_params=80_000, tasks=tasks)
        add_run(
            root / "data",
            seed,
            name=f"large-{seed}",
            scale="<i>d64</i>",
            n_params=200_000,
            tasks=tasks,
        )
    project, store = Project(root), Store.open(root / "data")
    loaded = [project.load("order"), project.load("learns")]
    record_multiverse(project, store, explore(project, "order", store, processes=1))
    record_power(project, store, simulate(loaded[0], store, draws=20, most=4))
    results = attach(evaluate(loaded, store), project, store)
    return html_page(results, project, store, arguments=["report", "--all"])


def pictures(html):
    found = re.findall(r'<img src="data:image/svg\+xml;base64,([^"]+)"', html)
    return [b64decode(text).decode() for text in found]


def test_the_page_says_what_the_json_says(html):
    text = re.search(r'<script type="application/json" id="results">(.*?)</script>', html, re.S)[1]
    results = json.loads(text)["results"]
    assert [r["name"] for r in results] == ["order", "learns"]
    for r in results:
        assert f'<section class="claim" id="{r["name"]}">' in html
        assert r["verdict"] in html


def test_strings_of_a_store_and_a_claim_are_escaped(html):
    assert "<script>alert" not in html
    assert "<b>blocks</b>" not in html
    assert "<i>d64</i>" not in html
    assert "&lt;b&gt;blocks" in html


def test_pictures_are_well_formed_and_know_dark_pages(html):
    found = pictures(html)
    # effects, runs, layers, lead times, traces of two measures, multiverse, power
    assert len(found) == 8
    for svg in found:
        ET.fromstring(svg.encode())
        assert "prefers-color-scheme:dark" in svg
    assert any(HOSTILE in "".join(ET.fromstring(svg).itertext()) for svg in found)


def test_nothing_outside_is_asked_for(html):
    without_data = re.sub(r"data:image/svg\+xml;base64,[^\"]+", "", html)
    assert not re.findall(r'(?:src|href|action)="(?!#|data:,|")[^"]+"', without_data)
    assert "@import" not in html
    for svg in pictures(html):
        assert not re.findall(r'(?:href|src)="(?!#)[^"]+"', svg)


def test_what_is_drawn_is_what_the_estimates_looked_at(project):
    (project / "hypotheses" / "order.py").write_text(TOP_DOWN)
    for seed in range(2):
        add_run(project / "data", seed, tasks=("add", "mod"))
    here, store = Project(project), Store.open(project / "data")
    loaded = here.load("order")
    looked = look(loaded, evaluate([loaded], store)[0], store)
    assert set(looked.traces) == {"rankme", "accuracy"}
    assert set(looked.traces["rankme"].layer) == {
        4
    }  # the fewest that were asked for: the last block
    assert set(looked.events) == {"emergence", "recovery of rankme"}
    assert set(looked.falls["half-way fall of rankme"].layer) == {1, 2, 3, 4}
    again = here.load("order").hypothesis.predictions[0]
    assert looked.run.run_id in {run.manifest.run_id for run in store.runs}
    assert again.name in looked.why


# --- in a browser -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        if os.environ.get("REQUIRE_BROWSER"):
            pytest.fail("REQUIRE_BROWSER is set, and there is no chromium")
        pytest.skip("no chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser, html, tmp_path):
    """Opens the page and returns it with what it said and asked for."""
    path = tmp_path / "report.html"
    path.write_text(html, "utf-8")

    def open_(width=1200, **options):
        options.setdefault("java_script_enabled", True)
        context = browser.new_context(viewport={"width": width, "height": 800}, **options)
        tab = context.new_page()
        tab.said, tab.asked = [], []
        tab.on("console", lambda message: tab.said.append(message.text))
        tab.on("pageerror", lambda error: tab.said.append(str(error)))
        tab.on("request", lambda request: tab.asked.append(request.url))
        tab.goto(path.as_uri())
        return tab

    return open_


def test_a_browser_has_nothing_to_complain_of_and_fetches_nothing(opened):
    tab = opened()
    assert tab.said == []
    assert [url for url in tab.asked if not url.startswith(("data:", "file:"))] == []
    assert len([url for url in tab.asked if url.startswith("file:")]) == 1
    sizes = tab.evaluate("[...document.images].map(i => [i.complete, i.naturalWidth])")
    assert sizes
    assert all(complete and width > 100 for complete, width in sizes)


def test_a_phone_shows_it_without_scrolling_sideways(opened):
    tab = opened(width=360)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 360
    # pictures are narrow enough that their text keeps most of its size
    shrunk = tab.evaluate("[...document.images].map(i => i.width / i.naturalWidth)")
    assert min(shrunk) > 0.75


def test_the_summary_can_be_filtered(opened):
    tab = opened()
    rows = tab.locator("#summary tbody tr")
    verdicts = [rows.nth(i).get_attribute("data-verdict") for i in range(2)]
    assert verdicts == ["supported", "inconclusive"]
    tab.get_by_label("inconclusive").uncheck()
    assert [rows.nth(i).is_visible() for i in range(2)] == [True, False]
    tab.get_by_label("Filter by words").fill("nothing like it")
    assert not rows.nth(0).is_visible()


def test_without_scripts_it_can_be_read(opened):
    tab = opened(java_script_enabled=False)
    assert tab.locator("#summary tbody tr").count() == 2
    assert not tab.locator("#filters").is_visible()
    assert tab.locator("section#order").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_pages_have_contrast(opened, scheme):
    tab = opened(color_scheme=scheme)
    body = "getComputedStyle(document.body)"
    ink, paper = (
        [int(x) for x in re.findall(r"\d+", tab.evaluate(f"{body}.{name}"))[:3]]
        for name in ("color", "backgroundColor")
    )
    assert (sum(ink) > sum(paper)) == (scheme == "dark")
    assert abs(sum(ink) - sum(paper)) > 450


def test_print_opens_what_is_folded(opened):
    tab = opened()
    tab.emulate_media(media="print")
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert tab.evaluate("[...document.querySelectorAll('details')].every(d => d.open)")
    assert not tab.locator("#filters").is_visible()
