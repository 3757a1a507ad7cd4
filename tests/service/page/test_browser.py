"""The page in a real browser: keys, undo, the way of a threshold, a lost connection, faults of access, errors.

Chromium is that of the distribution, or playwright's own; without one these tests are skipped.
"""

import os
import shutil
import threading
from collections.abc import Iterator

import pytest
import uvicorn

from algan_ad.service.api.app import create_app
from algan_ad.service.drift.alarms import Alarm
from algan_ad.service.inspection.part import Part
from algan_ad.service.page.words import texts
from algan_ad.service.record.alarms import raise_alarm
from algan_ad.service.security.tokens import add_token
from algan_ad.service.station import Station
from service.conftest import Open, grey

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright and Chromium")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")

EN = texts("en")
SIZES = {"desktop": (1440, 900), "tablet": (820, 1180), "phone": (360, 740)}
DARKER = Alarm(
    figure="brightness", also=("scores",), since=2, parts=20, rises=False, extreme=0.9, expected=0.05, before=77,
    now=66, pictures_known=True,
).model_dump(mode="json")  # fmt: skip
VIEWS = ("", "queue", "history", "history/1", "history/22", "trends", "threshold", "threshold/1", "models", "status")


@pytest.fixture(scope="module")
def browser() -> Iterator[sync_api.Browser]:
    """Chromium."""
    with sync_api.sync_playwright() as playwright:
        path = shutil.which("chromium") or shutil.which("chromium-browser") or playwright.chromium.executable_path
        if not os.path.exists(path):
            pytest.skip("needs Chromium: apt install chromium, or playwright install chromium")
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        started = playwright.chromium.launch(executable_path=path, args=arguments)
        yield started
        started.close()


@pytest.fixture
def station(open_station: Open) -> Station:
    """A station of which every part is audited: 20 good ones, a flagged one, one without picture; an alarm."""
    station = open_station(audit_share=1)
    station.inspector.inspect([Part(grey(value, 64), f"N{value}") for value in (*range(40, 60), 200)])
    station.inspector.inspect([Part(b"nonsense")])
    return station


class Served(uvicorn.Server):
    """A server in a thread."""

    def __init__(self, station: Station) -> None:
        super().__init__(uvicorn.Config(create_app(station), port=0, log_config=None, lifespan="off"))
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.listening = threading.Event()

    async def startup(self, sockets: object = None) -> None:
        await super().startup()
        self.listening.set()

    def stop(self) -> None:
        """Stop, and wait for it."""
        self.should_exit = self.force_exit = True
        self.thread.join(20)


@pytest.fixture
def server(station: Station) -> Iterator[Served]:
    """A server of the station."""
    served = Served(station)
    served.thread.start()
    assert served.listening.wait(20)
    yield served
    served.stop()


def opened(browser: sync_api.Browser, server: Served, size: str = "desktop", scheme: str = "light") -> sync_api.Page:
    """A new browser window, which collects what goes wrong in `page.errors`."""
    width, height = SIZES[size]
    address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    context = browser.new_context(
        base_url=address, viewport={"width": width, "height": height}, color_scheme=scheme, has_touch=size == "phone"
    )
    context.set_default_timeout(10_000)
    page = context.new_page()
    page.errors = []
    page.on("console", lambda message: page.errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    return page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_every_view_is_whole(
    browser: sync_api.Browser, server: Served, station: Station, size: str, scheme: str
) -> None:
    station.record.write(lambda session: raise_alarm(session, "light", "darker", 2, "plates", **DARKER).id)
    page = opened(browser, server, size, scheme)
    for view in VIEWS:
        page.goto(f"/{view}")
        if view == "trends":
            page.wait_for_selector(".u-legend")
        found = axe.Axe().run(page)
        assert found.violations_count == 0, f"{view}: {found.generate_report()}"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{view} is too wide"
        small = (
            "[...document.querySelectorAll('main button, nav a')].filter(e => e.getBoundingClientRect().height < 44)"
        )
        assert page.evaluate(f"{small}.length") == 0, f"{view}: too small for a finger"
    assert page.errors == []


def test_judging_by_keys(browser: sync_api.Browser, server: Served, station: Station) -> None:
    page = opened(browser, server)
    page.goto("/queue")
    part, waiting = page.locator(".side strong"), page.locator("h1 small")
    for key, following in (("d", "N41"), ("g", "N42"), ("u", "N43"), ("z", "N42"), ("z", "N41"), ("G", "N42")):
        page.keyboard.press(key)
        sync_api.expect(part).to_have_text(following)
        sync_api.expect(page.locator("h1")).to_be_focused()
    sync_api.expect(waiting).to_have_text(EN["queue.waiting"].format(n=19))
    with station.record.reading() as session:
        from algan_ad.service.record.inspections import inspection

        assert [inspection(session, number).judgement for number in (1, 2, 3)] == ["defect", "good", None]
    assert page.errors == []


def test_keys_can_be_switched_off(browser: sync_api.Browser, server: Served) -> None:
    page = opened(browser, server)
    page.goto("/queue")
    page.get_by_text(EN["page.display"]).click()
    group = page.get_by_role("group", name=EN["preference.keys"])
    group.get_by_text(EN["preference.off"]).click()
    sync_api.expect(page.locator("body")).to_have_attribute("data-keys", "off")
    page.keyboard.press("d")
    page.locator(".judge.good").click()
    sync_api.expect(page.locator(".side strong")).to_have_text("N41")
    page.goto("/history/1")
    assert page.locator('[aria-pressed="true"].judge').inner_text().startswith(EN["judgement.good"])


def test_a_threshold_is_proposed_seen_approved_and_rolled_back(
    browser: sync_api.Browser, server: Served, station: Station
) -> None:
    token = station.record.write(lambda session: add_token(session, "Ada", "engineer", "test"))
    page = opened(browser, server)
    page.goto("/threshold")
    page.get_by_label(EN["sign_in.token"]).fill(token)
    page.keyboard.press("Enter")
    page.get_by_role("button", name=EN["threshold.submit"]).click()
    sync_api.expect(page.locator("#message")).to_contain_text("no audited part")
    page.goto("/queue")
    for number in range(19):
        sync_api.expect(page.locator(".side strong")).to_have_text(f"N{40 + number}")
        page.locator(".judge.good").click()
    sync_api.expect(page.locator(".side strong")).to_have_text("N59")
    page.goto("/threshold")
    page.get_by_label(EN["threshold.percent"]).fill("10")
    page.get_by_role("button", name=EN["threshold.submit"]).click()
    sync_api.expect(page.locator("h1")).to_have_text(EN["preview.title"].format(version=2))
    sync_api.expect(page.locator(".tile")).to_have_count(2)
    page.get_by_role("button", name=EN["preview.approve"]).click()
    in_use = page.locator("tr", has=page.locator(".badge")).locator("td").first
    sync_api.expect(in_use).to_contain_text("2")
    page.get_by_role("button", name=EN["threshold.roll_back"]).click()
    sync_api.expect(in_use).to_contain_text("1")
    assert [text for text in page.errors if "422" not in text] == []


def test_the_live_view_follows_and_says_when_it_is_old(
    browser: sync_api.Browser, server: Served, station: Station
) -> None:
    page = opened(browser, server)
    page.goto("/")
    word, lost = page.locator(".big .word"), page.locator("#lost")
    sync_api.expect(word).to_have_text(EN["verdict.not inspected"])
    station.inspector.inspect([Part(grey(50), "next")])
    sync_api.expect(word).to_have_text(EN["verdict.ok"])
    page.locator("[data-map]").fill("20")
    assert page.evaluate("getComputedStyle(document.querySelector('img.map')).opacity") == "0.2"
    sync_api.expect(lost).to_be_hidden()
    server.stop()
    sync_api.expect(lost).to_be_visible()


def test_an_alarm_is_acknowledged(browser: sync_api.Browser, server: Served, station: Station) -> None:
    station.record.write(lambda session: raise_alarm(session, "light", "The pictures have become darker.", 2).id)
    page = opened(browser, server)
    page.goto("/history?verdict=anomalous")
    sync_api.expect(page.locator(".tile")).to_have_count(1)
    page.get_by_role("button", name=EN["alarm.acknowledge"]).click()
    sync_api.expect(page.locator(".note.alarm")).to_have_count(0)
    sync_api.expect(page.locator(".tile")).to_have_count(1)  # the view itself stays
    assert page.errors == []
