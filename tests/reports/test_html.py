"""The HTML report, looked at in a browser: whole, quiet, self-contained, readable on a phone."""

import csv
import io
import json
import os
import re
import shutil
import xml.etree.ElementTree as ET
from html import unescape
from urllib.parse import unquote

import pytest

from emergence_stats.audit.again import evaluating_again
from emergence_stats.claims.project import Project
from emergence_stats.evaluation.evaluate import evaluate
from emergence_stats.evaluation.watching.look import Asked, look
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
    with evaluating_again([one.name for one in loaded], project, store) as again:
        return html_page(results, project, store, again, arguments=["report", "--all"])


def embedded(html):
    text = re.search(
        r'<script type="application/json" id="results-json">(.*?)</script>', html, re.S
    )
    return json.loads(text[1])


def charts(html):
    return re.findall(r"<svg.*?</svg>", html, re.S)


def test_the_page_says_what_the_json_says(html):
    results = embedded(html)["results"]
    assert [r["name"] for r in results] == ["order", "learns"]
    for r in results:
        assert f'<details class="claim" id="{r["name"]}" data-verdict="{r["verdict"]}"' in html


def test_strings_of_a_store_and_a_claim_are_escaped(html):
    assert "<script>alert" not in html
    assert "<b>blocks</b>" not in html
    assert "<i>d64</i>" not in html
    assert "&lt;b&gt;blocks" in html


def test_charts_are_well_formed_and_say_what_they_show(html):
    found = charts(html)
    # a strip in the summary and in the table of effects, units of two predictions, traces of two measures, layers, lead times,
    # multiverse, power
    assert len(found) == 1 + 2 + 2 + 2 + 1 + 1 + 1 + 1
    for svg in found:
        ET.fromstring(svg)
        assert re.match(r'<svg class="(chart|strip)" role="img" aria-label="[^"]+', svg)
    assert any(HOSTILE in "".join(ET.fromstring(svg).itertext()) for svg in found)


def test_nothing_outside_is_asked_for(html):
    assert not re.findall(r'(?:src|href|action)="(?!#|data:,|")[^"]+"', html)
    assert "@import" not in html
    assert "url(" not in html


def test_every_run_that_is_drawn_is_listed(html):
    led = {unquote(name) for name in re.findall(r'href="#run-([^"]+)"', html)}
    listed = {unescape(name) for name in re.findall(r'<tr id="run-([^"]+)"', html)}
    assert len(led) == 15
    assert led <= listed


def test_traces_are_those_of_all_runs(html):
    found = {one["measure"]: one for one in embedded(html)["traces"]}
    assert set(found) == {"rankme", "accuracy"}
    for one in found.values():
        assert len({line["run"] for line in one["lines"]}) == 15
        for line in one["lines"]:
            assert len(line["values"]) == len(one["steps"][line["steps"]])


def test_what_is_drawn_is_what_the_estimates_looked_at(project):
    (project / "hypotheses" / "order.py").write_text(TOP_DOWN)
    for seed in range(2):
        add_run(project / "data", seed, tasks=("add", "mod"))
    here, store = Project(project), Store.open(project / "data")
    loaded = here.load("order")
    looked = look(loaded, evaluate([loaded], store)[0], store)
    # at the fewest layers that were asked for: the last block
    assert set(looked.asked) == {Asked("rankme", "final", True), Asked("accuracy", None, True)}
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


@pytest.mark.parametrize("width", [360, 390])
def test_a_phone_shows_it_without_scrolling_sideways(opened, width):
    tab = opened(width=width)
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    # nothing of a verdict, an effect or a control is beyond the edge, or in a box that must be pushed
    beyond = tab.evaluate(
        "[...document.querySelectorAll('table.cards td, table.cards th, .verdict, .badge')]"
        f".filter(e => e.getBoundingClientRect().right > {width} + 1).map(e => e.textContent)"
    )
    assert beyond == []
    # charts are narrow enough that their text keeps most of its size
    shrunk = tab.evaluate(
        "[...document.querySelectorAll('svg.chart')].filter(i => i.clientWidth).map(i => i.clientWidth / i.viewBox.baseVal.width)"
    )
    assert min(shrunk) > 0.75


def names_of(tab):
    return tab.evaluate(
        "[...document.querySelectorAll('#page-summary tbody tr')].map(r => r.dataset.name)"
    )


def test_filters_hide_rows_sections_and_contents(opened):
    tab = opened()
    rows = tab.locator("#page-summary tbody tr")
    assert [rows.nth(i).get_attribute("data-verdict") for i in range(2)] == [
        "supported",
        "inconclusive",
    ]
    tab.get_by_label("inconclusive").uncheck()
    assert [rows.nth(i).is_visible() for i in range(2)] == [True, False]
    assert not tab.locator("details#learns").is_visible()
    assert not tab.locator("#page-contents li[data-name=learns]").is_visible()
    assert tab.locator("details#order").is_visible()
    tab.get_by_label("Filter by words").fill("nothing like it")
    assert not rows.nth(0).is_visible()


def test_columns_sort_by_button_and_by_keyboard(opened):
    tab = opened()
    assert names_of(tab) == ["order", "learns"]
    tab.locator("#page-summary thead button", has_text="claim").focus()
    tab.keyboard.press("Enter")
    assert names_of(tab) == ["learns", "order"]
    head = tab.locator("#page-summary thead th[data-key=name]")
    assert head.get_attribute("aria-sort") == "ascending"
    tab.keyboard.press("Enter")
    assert names_of(tab) == ["order", "learns"]
    assert head.get_attribute("aria-sort") == "descending"
    tab.locator("#page-summary thead button", has_text="verdict").click()
    assert names_of(tab) == ["order", "learns"]  # supported before inconclusive


def test_claims_open_by_keyboard_and_by_what_leads_to_them(opened):
    tab = opened()
    tab.get_by_role("button", name="close all").click()
    claim = tab.locator("details#order")
    assert claim.get_attribute("open") is None
    claim.locator("summary").first.focus()
    tab.keyboard.press("Space")
    assert claim.get_attribute("open") is not None
    # a dot leads to its run, in a part that is folded
    assert not tab.locator("#page-provenance").evaluate("e => e.open")
    tab.locator("#order svg.chart a").first.click()
    tab.wait_for_function("document.querySelector('#page-provenance').open")
    where = tab.evaluate("decodeURIComponent(location.hash)")
    assert tab.evaluate("id => !!document.getElementById(id)", where[1:])


def saved(tab, button):
    with tab.expect_download() as download:
        button.click()
    return download.value.suggested_filename, download.value.path().read_text("utf-8")


def test_what_is_saved_holds_the_numbers_that_are_shown(opened, html):
    tab = opened()
    held = embedded(html)
    name, text = saved(tab, tab.get_by_role("button", name="Save claims as CSV"))
    rows = list(csv.DictReader(io.StringIO(text)))
    assert name == "claims.csv"
    wanted = [(r["name"], p) for r in held["results"] for p in r["predictions"]]
    assert [(row["claim"], row["prediction"]) for row in rows] == [
        (n, p["name"]) for n, p in wanted
    ]
    assert [float(row["estimate"]) for row in rows if row["estimate"]] == [
        p["estimate"] for _, p in wanted if p["estimate"] is not None
    ]
    _, text = saved(tab, tab.get_by_role("button", name="Save order-tau-b as CSV"))
    values = held["results"][0]["predictions"][0]["values"]
    assert [float(row["value"]) for row in csv.DictReader(io.StringIO(text))] == [
        v["value"] for v in values
    ]
    button = tab.locator("#order").get_by_role("button", name=re.compile("Save rankme-. as CSV"))
    _, text = saved(tab, button)
    rankme = next(one for one in held["traces"] if one["measure"] == "rankme")
    assert sum(len(line["values"]) for line in rankme["lines"]) == text.count("\n") - 1
    _, text = saved(tab, tab.get_by_role("button", name="Save order-multiverse as CSV"))
    analyses = held["results"][0]["multiverse"]["curve"]["analyses"]
    first = next(csv.DictReader(io.StringIO(text)))
    assert text.count("\n") == len(analyses) + 1
    assert (first["fraction"], first["rise"]) == ("0.5", "0.25")
    _, text = saved(tab, tab.get_by_role("button", name="Save order-power as CSV"))
    assert text.count("\n") == len(held["results"][0]["power"]["rows"]) + 1


def test_a_saved_picture_stands_alone(opened):
    tab = opened(color_scheme="light")
    for name, marks in (("claims", "path"), ("order-tau-b", "circle")):
        file, text = saved(tab, tab.get_by_role("button", name=f"Save {name} as SVG", exact=True))
        assert file == f"{name}.svg"
        root = ET.fromstring(text)
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert root.findall(f".//{{http://www.w3.org/2000/svg}}{marks}")
        style = root.find("{http://www.w3.org/2000/svg}style").text
        assert set(re.findall(r"var\((--\w+)\)", style)) == set(re.findall(r"(--\w+):", style))


def test_without_scripts_it_can_be_read(opened):
    tab = opened(java_script_enabled=False)
    assert tab.locator("#page-summary tbody tr").count() == 2
    assert not tab.locator("#page-filters").is_visible()
    assert tab.locator("details#order h2").is_visible()
    assert tab.locator("details#order p[data-figure] a").first.is_visible()


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


def test_print_opens_the_claims_and_nothing_within_them(opened):
    tab = opened()
    tab.get_by_role("button", name="close all").click()
    tab.emulate_media(media="print")
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert tab.evaluate(
        "[...document.querySelectorAll('details.claim[data-verdict]')].every(d => d.open)"
    )
    assert not tab.evaluate(
        "[...document.querySelectorAll('details details')].some(d => d.open && !d.querySelector('svg'))"
    )
    assert not tab.locator("#page-filters").is_visible()
    assert not tab.locator("#page-contents").is_visible()
