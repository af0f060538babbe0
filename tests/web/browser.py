"""Opens the status page in headless Chromium and judges it; `browser.py URL DIRECTORY` leaves screenshots there.

It speaks the DevTools protocol over two pipes, so that it needs nothing but the standard library. The page is shown at
phone and desktop width, light and dark: nothing may reach beyond the window, nothing may be said to the console, nothing
may be asked for elsewhere, and the numbers move while somebody else asks for files.
"""

import base64
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

url, directory = sys.argv[1], sys.argv[2]
DEADLINE_S = 45
FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
--disable-component-update --disable-sync --disable-extensions --disable-dev-shm-usage --hide-scrollbars
--remote-debugging-pipe about:blank"""
# Name, width, height, device pixels a pixel.
WINDOWS = [("phone", 390, 844, 2), ("desktop", 1280, 900, 1)]
TROUBLE = ["Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled", "Network.loadingFailed"]


class Browser:
    def __init__(self, profile):
        to_us, to_it = os.pipe(), os.pipe()
        theirs = [fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (to_it[0], to_us[1])]
        self.read_fd, self.write_fd = to_us[0], to_it[1]

        def place():
            os.dup2(theirs[0], 3)
            os.dup2(theirs[1], 4)

        words = ["chromium", *FLAGS.split(), "--user-data-dir=" + profile]
        log = open(os.path.join(directory, "chromium.log"), "wb")
        self.process = subprocess.Popen(words, preexec_fn=place, pass_fds=(3, 4), stdin=subprocess.DEVNULL, stdout=log,
                                        stderr=log, start_new_session=True)
        [os.close(fd) for fd in (*theirs, to_it[0], to_us[1])]
        self.unread, self.events, self.last_id, self.session = b"", [], 0, None
        self.deadline = time.monotonic() + DEADLINE_S

    def message(self):
        while b"\0" not in self.unread:
            ready, _, _ = select.select([self.read_fd], [], [], max(0, self.deadline - time.monotonic()))
            assert ready, "the browser is silent"
            more = os.read(self.read_fd, 1 << 20)
            assert more, "the browser ended"
            self.unread += more
        message, self.unread = self.unread.split(b"\0", 1)
        return json.loads(message)

    def ask(self, method, **params):
        self.last_id += 1
        request = {"id": self.last_id, "method": method, "params": params}
        if self.session:
            request["sessionId"] = self.session
        os.write(self.write_fd, json.dumps(request).encode() + b"\0")
        while (answer := self.message()).get("id") != self.last_id:
            self.events.append(answer)
        assert "error" not in answer, (method, answer)
        return answer["result"]

    def value(self, script):
        answer = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait(self, what, script):
        while not self.value(script):
            assert time.monotonic() < self.deadline, "waited in vain for " + what
            time.sleep(0.05)

    def end(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


def traffic(times):
    for path in ["/1k.txt", "/none"] * times:
        try:
            urllib.request.urlopen(urllib.parse.urljoin(url, path), timeout=DEADLINE_S).read()
        except urllib.error.HTTPError as error:
            assert error.code == 404


IN_ALL = "parseInt(document.querySelectorAll('.card')[1].lastChild.textContent.replaceAll(/\\D/g, ''))"
CONTRAST = """(() => {
  const parse = text => text.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const light = text => parse(text).map(c => c / 255).map(c => c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
  const behind = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
    if (!/, 0\\)$/.test(c)) return c; } return 'rgb(255, 255, 255)'; };
  return [...document.querySelectorAll('main *')].filter(e => e.offsetParent && [...e.childNodes].some(n => n.nodeType == 3 && n.data.trim()))
    .map(e => { const [a, b] = [light(getComputedStyle(e).color), light(behind(e))].sort((x, y) => y - x);
      return [(a + .05) / (b + .05), e.tagName + ' ' + e.textContent.slice(0, 30)]; })
    .sort((x, y) => x[0] - y[0])[0]; })()"""


def look(browser, name, width, height, scale, scheme):
    browser.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale,
                mobile=name == "phone")
    browser.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    browser.ask("Page.navigate", url=url)
    browser.wait("numbers", "document.getElementById('state')?.textContent === 'serving'")
    assert browser.value("document.querySelectorAll('#listeners td').length") > 0
    before = browser.value(IN_ALL)
    traffic(25)
    # Both points of a curve, so that there is one to see.
    browser.wait("moving numbers", f"{IN_ALL} >= {before} + 50 && "
                 "document.querySelector('.card svg path').getAttribute('d').includes('L')")
    wide = browser.value("document.documentElement.scrollWidth")
    assert wide <= width, f"{name}: {wide} wide in a window of {width}"
    contrast, where = browser.value(CONTRAST)
    assert contrast >= 4.5, f"{name} {scheme}: contrast {contrast:.2f} of {where}"
    full = browser.ask("Page.captureScreenshot", format="png", captureBeyondViewport=True)
    with open(os.path.join(directory, f"{name}-{scheme}.png"), "wb") as file:
        file.write(base64.b64decode(full["data"]))
    print(f"{name} {scheme}: requests {before} -> {browser.value(IN_ALL)}, lowest contrast {contrast:.1f}")


def judge(browser):
    target = browser.ask("Target.createTarget", url="about:blank")["targetId"]
    browser.session = browser.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    for domain in ["Runtime", "Log", "Network", "Page"]:
        browser.ask(domain + ".enable")
    for window in WINDOWS:
        for scheme in ["light", "dark"]:
            look(browser, *window, scheme)
    shown = browser.value("document.body.innerText")
    for word in ["http", "echo", "127.0.0.1"]:
        assert word in shown, (word, shown)
    asked = [event["params"]["request"]["url"] for event in browser.events
             if event["method"] == "Network.requestWillBeSent"]
    here = urllib.parse.urljoin(url, "/")
    assert asked and all(at.startswith((here, "data:")) for at in asked), asked
    trouble = [event for event in browser.events if event["method"] in TROUBLE
               and not event["params"].get("canceled")]
    assert not trouble, trouble


with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
    browser = Browser(profile)
    try:
        judge(browser)
    finally:
        browser.end()
print("all is well")
