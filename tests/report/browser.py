"""Chromium, driven by chromedriver over plain HTTP (W3C WebDriver): no package is needed."""

import base64
import json
import shutil
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
MISSING = "" if CHROMIUM and DRIVER else "Debian's chromium and chromium-driver are not installed"
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
_FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync "
    "--disable-background-networking --disable-component-update --hide-scrollbars"
)


class Browser:
    def __init__(self, profile: Path, width: int = 1280, height: int = 800, dark: bool = False):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self._driver = subprocess.Popen(
            [DRIVER, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._url = f"http://127.0.0.1:{port}"
        flags = [*_FLAGS.split(), f"--user-data-dir={profile}", f"--window-size={width},{height}"]
        if dark:
            flags.append("--blink-settings=preferredColorScheme=0")
        options = {
            "browserName": "chrome",
            "goog:chromeOptions": {"binary": CHROMIUM, "args": flags},
            "goog:loggingPrefs": {"browser": "ALL"},
        }
        try:
            self._wait()
            capabilities = {"capabilities": {"alwaysMatch": options}}
            session = self._call("POST", "/session", capabilities)["sessionId"]
        except BaseException:
            self._end()
            raise
        self._url += f"/session/{session}"

    def _wait(self):
        for _ in range(100):
            try:
                self._call("GET", "/status")
                return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError("chromedriver does not answer")

    def _call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["value"]

    def open(self, url: str):
        self._call("POST", "/url", {"url": url})

    def run(self, script: str, *args):
        return self._call("POST", "/execute/sync", {"script": script, "args": args})

    def find(self, selector: str) -> str:
        wanted = {"using": "css selector", "value": selector}
        return self._call("POST", "/element", wanted)[_ELEMENT]

    def click(self, selector: str):
        self._call("POST", f"/element/{self.find(selector)}/click", {})

    def type(self, selector: str, text: str):
        self._call("POST", f"/element/{self.find(selector)}/value", {"text": text})

    def keys(self, *keys: str):
        """Presses keys, one after the other, where the focus is."""
        actions = [{"type": t, "value": k} for k in keys for t in ("keyDown", "keyUp")]
        source = {"type": "key", "id": "keyboard", "actions": actions}
        self._call("POST", "/actions", {"actions": [source]})

    def log(self) -> list[str]:
        return [line["message"] for line in self._call("POST", "/se/log", {"type": "browser"})]

    def command(self, name: str, **params):
        """Sends a command of the DevTools protocol."""
        return self._call("POST", "/goog/cdp/execute", {"cmd": name, "params": params})

    def shot(self, path: Path):
        path.write_bytes(base64.b64decode(self._call("GET", "/screenshot")))

    def close(self):
        try:
            self._call("DELETE", "")
        finally:
            self._end()

    def _end(self):
        self._driver.terminate()
        self._driver.wait(timeout=10)
