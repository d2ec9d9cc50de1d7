"""The report in a real browser: it opens from disk, asks the network for nothing, and works.

Needs Chromium and the package playwright, which drives it.
"""

import shutil

import pytest

from tests.reported_study import every_run, make_data, make_study
from tests.study_files import committed
from transfer.report.write import write_report

sync_api = pytest.importorskip("playwright.sync_api", reason="the package playwright is missing")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser")
    study = make_study(folder / "study", make_data(folder / "data"), every_run())
    names = ("logme", "class_separation_positions")
    rows = [f"{block},{name},{0.1 * block},0" for name in names for block in range(14)]
    (study / "scores.csv").write_text("block,score,value,seconds\n" + "\n".join(rows) + "\n")
    return write_report(study)[0].as_uri()


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield running
        running.close()


@pytest.fixture
def opened(browser, address):
    """Opens the report; afterwards the console must be empty and nothing was asked for."""
    said, asked, contexts = [], [], []

    def open_page(**settings):
        settings.setdefault("viewport", {"width": 1200, "height": 900})
        contexts.append(browser.new_context(**settings))
        page = contexts[-1].new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append(dialog.message))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        page.wait_for_selector("#accuracy .main-svg")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []
    assert [url for url in asked if not url.startswith((address, "data:"))] == []


def point(page, chart, switch, place):
    """Where a point of a trace is in the window."""
    return page.evaluate(
        """([id, key, place]) => {
          const plot = document.getElementById(id);
          plot.scrollIntoView({block: "center"});
          const trace = plot.data.find(
            (t) => t.meta.switch === key && t.mode !== "lines" && t.hoverinfo !== "skip");
          const {xaxis, yaxis} = plot._fullLayout;
          const box = plot.getBoundingClientRect();
          return [box.left + xaxis._offset + xaxis.d2p(trace.x[place]),
                  box.top + yaxis._offset + yaxis.d2p(trace.y[place])];
        }""",
        [chart, switch, place],
    )


def wait_until(page, condition):
    """Playwright's own wait evaluates strings in the page, which the page's policy forbids."""
    for _ in range(100):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"waited in vain for {condition}")


def shown(page, chart):
    script = "id => document.getElementById(id).data.map(t => t.meta.switch)"
    return set(page.evaluate(script, chart))


def test_every_chart_is_drawn(opened):
    page = opened()
    for chart in ("accuracy", "semantics", "cost", "curves", "scores"):
        assert page.locator(f"#{chart} .scatterlayer .trace").count() > 0, chart


def test_hovering_shows_run_interval_and_epochs(opened):
    page = opened()
    page.mouse.move(*point(page, "accuracy", "AnB", 1))
    label = page.locator("#accuracy .hoverlayer .hovertext")
    label.wait_for()
    text = label.text_content()
    for word in ("A4B", "95 %", "A4B_s0", "best epoch 3 of 3", "inference"):
        assert word in text


def test_a_kind_is_switched_off_and_on_and_the_axis_follows(opened):
    page = opened()
    read_range = "document.getElementById('accuracy')._fullLayout.yaxis.range"
    whole = page.evaluate(read_range)
    assert "RnB" in shown(page, "accuracy")
    box = page.locator("input[data-chart=accuracy][data-switch=RnB]")
    box.uncheck()
    assert "RnB" not in shown(page, "accuracy")
    assert page.evaluate(read_range)[0] > whole[0] + 0.01
    box.check()
    assert page.evaluate(read_range) == whole


def test_all_of_it_works_by_keyboard(opened):
    page = opened()
    box = page.locator("input[data-chart=accuracy][data-switch=AnB]")
    box.focus()
    page.keyboard.press("Space")
    assert "AnB" not in shown(page, "accuracy")
    page.keyboard.press("Space")
    page.locator("#accuracy").focus()
    page.keyboard.press("ArrowDown")
    first = page.locator("#accuracy-readout").text_content()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    second = page.locator("#accuracy-readout").text_content()
    assert first != second
    assert "95 %" in second
    assert page.locator("#accuracy-readout").is_visible()
    focusable = page.evaluate(
        """() => [...document.querySelectorAll("input, select, summary, a, .plot, .wide")]
          .every((element) => element.tabIndex === 0)"""
    )
    assert focusable


def test_lists_choose_kind_and_value(opened):
    page = opened()
    page.locator("select[data-choice=value]").select_option("val_loss")
    page.locator("select[data-choice=kind]").select_option("sliced ")
    names = page.evaluate("document.getElementById('curves').data.map(t => t.name)")
    assert "sliced-4, 2 seeds" in names
    assert not any("A4B" in name for name in names)
    assert page.locator("#curves .annotation").text_content() == "validation loss"
    page.locator("select[data-choice=cost]").select_option("multiply_adds")
    assert "multiply-adds" in page.locator("#cost .xtitle").text_content()


def test_dark_and_light_follow_the_system(opened):
    page = opened(color_scheme="dark")
    ink = "getComputedStyle(document.querySelector('#accuracy .xtick text')).fill"
    paper = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ink), page.evaluate(paper)
    page.emulate_media(color_scheme="light")
    wait_until(page, f"({ink}) !== {dark[0]!r}")
    light = page.evaluate(ink), page.evaluate(paper)

    def brightness(colour):
        return sum(int(part) for part in colour.strip("rgba()").split(",")[:3])

    assert brightness(dark[0]) > 500 > brightness(light[0])
    assert brightness(dark[1]) < 200 < brightness(light[1])


def test_a_phone_shows_it_without_scrolling_sideways_and_reads_points(opened):
    page = opened(viewport={"width": 360, "height": 740}, is_mobile=True, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.touchscreen.tap(*point(page, "accuracy", "AnB+", 1))
    wait_until(page, "document.getElementById('accuracy-readout').textContent !== ''")
    assert "95 %" in page.locator("#accuracy-readout").text_content()
    assert page.locator("#accuracy-readout").is_visible()


def test_print_is_light_fits_the_page_and_is_undone(opened):
    page = opened(color_scheme="dark")
    page.evaluate(
        """() => addEventListener("beforeprint", () => {
          const plot = document.getElementById("accuracy");
          window.printed = [plot._fullLayout.width, plot._fullLayout.font.color,
                            document.querySelector("details").open];
        })"""
    )
    before = page.evaluate("document.getElementById('accuracy')._fullLayout.width")
    content = page.pdf(format="A4", print_background=True)
    assert content.startswith(b"%PDF")
    width, ink, details_open = page.evaluate("window.printed")
    assert width <= 680  # pixels between the margins of A4
    assert ink == "#1c1b19"
    assert details_open
    wait_until(page, f"document.getElementById('accuracy')._fullLayout.width === {before}")
    assert not page.evaluate("document.querySelector('details').open")


def test_names_that_are_markup_do_nothing(opened):
    page = opened()
    assert page.locator("script").count() == 3
    assert page.get_by_text("<script>alert('x')</script>").count() > 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 800, 1400])
def test_nothing_is_cut_at_any_width(opened, width, scheme):
    page = opened(viewport={"width": width, "height": 900}, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    cut = page.evaluate(
        """() => [...document.querySelectorAll("main *")].filter((element) =>
             !element.closest(".wide, .plot, .readout")
             && element.getBoundingClientRect().right > innerWidth + 1).length"""
    )
    assert cut == 0
    page.mouse.wheel(0, 3000)
    wait_until(page, "scrollY > 1000")
    assert page.evaluate("document.querySelector('nav').getBoundingClientRect().top") == 0


def test_the_next_step_is_copied(browser, tmp_path):
    study = committed("deploy.csv")[0]
    address = write_report(shutil.copytree(study, tmp_path / "study"))[0].as_uri()
    context = browser.new_context()
    page = context.new_page()
    page.goto(address)
    command = page.locator(".copy code").text_content()
    assert command.startswith("python -m transfer export")
    page.locator(".copy button").click()
    page.evaluate("document.body.append(document.createElement('textarea'))")
    page.locator("body > textarea").focus()
    page.keyboard.press("Control+V")
    assert page.locator("body > textarea").input_value() == command
    context.close()
