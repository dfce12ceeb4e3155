"""The built book, served on this machine to a real browser that can reach nothing else."""

import contextlib
import functools
import http.server
import json
import os
import shutil
import threading

import pytest
import yaml

from tests.book import gates
from tools import built


def pytest_generate_tests(metafunc):
    """`page`: every page of the table of contents, and the search."""
    if "page" in metafunc.fixturenames:
        toc = yaml.safe_load((gates.ROOT / "_toc.yml").read_text(encoding="utf8"))
        metafunc.parametrize("page", [*built.entries(toc), "search"])


def unavailable(reason):
    """A skip on a reader's machine, a failure in CI: nothing passes there by not being run."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


@pytest.fixture(scope="session")
def html():
    if not (gates.HTML / "index.html").exists():
        unavailable("the book is not built: run `make book` first")
    return gates.HTML


class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps the connection: many small files

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def serving(folder):
    """Serve a folder; gives its address."""
    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


@pytest.fixture(scope="session")
def site(html):
    with serving(html) as address:
        yield address


class Browser:
    """Chromium, one page at a time. `visit` returns what the gates of test_browser.py look at."""

    def __init__(self, driver):
        self.driver = driver

    def command(self, name, **parameters):
        return self.driver.execute_cdp_cmd(name, parameters)

    def size(self, width, height=900):
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                     mobile=False)
        if self.driver.current_url.startswith(("http", "file")):  # what watches sizes is told with the next picture
            self.driver.execute_async_script("""
                const done = arguments[0], next = requestAnimationFrame;
                const late = setTimeout(done, 2000);
                next(() => next(() => next(() => { clearTimeout(late); done(); })));""")

    def theme(self, name):
        self.run("const [name] = arguments;"
                 "Object.assign(document.documentElement.dataset, {theme: name, mode: name})", name)

    def open(self, address):
        """Load a page and wait until its mathematics is drawn; (console errors, addresses asked for)."""
        for log in ("browser", "performance"):  # what is left from the page before
            self.driver.get_log(log)
        self.driver.get(address)
        self.driver.execute_async_script("""
            const done = arguments[0], M = window.MathJax;
            const drawn = M && M.startup && M.startup.promise ? M.startup.promise : Promise.resolve();
            drawn.then(() => document.fonts.ready).then(() => setTimeout(done, 50));""")
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        requests = [event["params"]["request"]["url"] for event in events
                    if event["method"] == "Network.requestWillBeSent"]
        errors = [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]
        return errors, [url for url in requests if not url.startswith(("data:", "blob:"))]

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def axe(self, only=()):
        """Axe's verdict on the page as it stands, in words; only: the rules to try, all if none."""
        if not self.run("return !!window.axe"):
            self.run((gates.ROOT / "tests" / "book" / "vendor" / "axe.min.js").read_text(encoding="utf8"))
        result = self.driver.execute_async_script("""
            const [only, done] = arguments;
            // MathJax's glyphs are many, and hidden from screen readers: the MathML beside them is looked at
            axe.run({exclude: ["mjx-math"]},
                    {resultTypes: ["violations"], ...(only.length ? {runOnly: {type: "rule", values: only}} : {})})
                .then(done, error => done({error: String(error)}));""", list(only))
        if "error" in result:
            return [result["error"]]
        return [f"{violation['id']}: {node['target']} {node['html'][:150]}"
                for violation in result["violations"] for node in violation["nodes"]]


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    program = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)
    chromedriver = shutil.which("chromedriver")
    if not (program and chromedriver):
        unavailable("no Chromium with chromedriver here, so no page was looked at in a browser")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                     "--no-first-run", "--disable-extensions", "--hide-scrollbars",
                     "--disable-background-networking", "--disable-component-update",
                     f"--user-data-dir={tmp_path_factory.mktemp('chromium')}",
                     # every other host is unknown: a page that needs one fails here
                     "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(chromedriver))
    driver.set_script_timeout(180)  # a machine may be busy; nothing here waits for a time to pass
    browser = Browser(driver)
    # Still pictures of a page: no transition between the themes, and each page weighed as on a first visit.
    browser.command("Emulation.setEmulatedMedia",
                    features=[{"name": "prefers-reduced-motion", "value": "reduce"}])
    browser.command("Network.enable")
    browser.command("Network.setCacheDisabled", cacheDisabled=True)
    yield browser
    driver.quit()
