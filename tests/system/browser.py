# SPDX-License-Identifier: Apache-2.0
"""A real Chromium, driven over WebDriver (chromedriver) with nothing but the standard library."""

import base64
import json
import os
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

from harness import free_port

FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
         "--disable-background-networking", "--disable-component-update", "--no-first-run",
         "--force-device-scale-factor=1"]


class Browser:
    """One window of this size, language and colour scheme, with scripts or without."""

    def __init__(self, width=360, height=740, language="zh-CN", script=True, dark=False):
        self.holder = tempfile.TemporaryDirectory(prefix="browser-")
        port = free_port()
        self.base = "http://127.0.0.1:%d" % port
        self.driver = subprocess.Popen(
            ["chromedriver", "--port=%d" % port, "--log-level=OFF"], stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, env={**os.environ, "HOME": self.holder.name})
        self.session = ""
        try:
            self._begin(width, height, language, script)
            self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height,
                     deviceScaleFactor=1, mobile=width < 600)
            self.cdp("Emulation.setEmulatedMedia", features=[
                {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
            self.open("about:blank")  # what the browser's own first page asks for is not ours
            self.requests()
            self.console()
        except BaseException:
            self.close()
            raise

    def _begin(self, width, height, language, script):
        options = {
            "args": FLAGS + ["--window-size=%d,%d" % (width, height), "--lang=" + language,
                             "--user-data-dir=" + os.path.join(self.holder.name, "profile")],
            "prefs": {"intl.accept_languages": language,
                      **({} if script else {"webkit.webprefs.javascript_enabled": False,
                         "profile.managed_default_content_settings.javascript": 2})},
        }
        deadline = time.monotonic() + 30
        while True:
            try:
                answer = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": {
                    "goog:chromeOptions": options,
                    "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}}})
                break
            except (urllib.error.URLError, ConnectionError):
                if time.monotonic() > deadline or self.driver.poll() is not None:
                    raise
                time.sleep(0.1)
        self.session = "/session/" + answer["sessionId"]

    def _ask(self, verb, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data=data, method=verb,
                                         headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError("%s %s: %s" % (verb, path, error.read().decode())) from None

    def cdp(self, command, **params):
        return self._ask("POST", self.session + "/goog/cdp/execute",
                         {"cmd": command, "params": params})

    def open(self, url):
        self._ask("POST", self.session + "/url", {"url": url})

    def run(self, script):
        """What a script of ours returns; works where the page's own scripts are off."""
        return self._ask("POST", self.session + "/execute/sync", {"script": script, "args": []})

    def url(self):
        return self._ask("GET", self.session + "/url")

    def screenshot(self, path, whole=False, scale=1):
        if whole:
            size = self.cdp("Page.getLayoutMetrics")["cssContentSize"]
            data = self.cdp("Page.captureScreenshot", captureBeyondViewport=True,
                            clip={**size, "scale": scale})["data"]
        else:
            data = self._ask("GET", self.session + "/screenshot")
        with open(path, "wb") as f:
            f.write(base64.b64decode(data))

    def console(self):
        """Messages since the last call."""
        return [entry["message"] for entry in self._log("browser")]

    def requests(self):
        """Addresses asked for since the last call."""
        messages = [json.loads(entry["message"])["message"] for entry in self._log("performance")]
        return [m["params"]["request"]["url"] for m in messages
                if m["method"] == "Network.requestWillBeSent"]

    def _log(self, kind):
        return self._ask("POST", self.session + "/se/log", {"type": kind})

    def close(self):
        if self.session:
            self._ask("DELETE", self.session)
        self.driver.terminate()
        self.driver.wait(timeout=30)
        self.holder.cleanup()
