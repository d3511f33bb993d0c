"""`ccxt-driver serve` in a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from typing import Any


class ServeProcess:
    """A server that has said that it is ready."""

    def __init__(self, *args: object) -> None:
        command = [sys.executable, "-m", "ccxt_driver", "serve", "--port", "0", *(str(arg) for arg in args)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines: list[str] = []
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if line == "ready\n":
                break

    def all(self, name: str) -> list[str]:
        return [value for key, _, value in (line.partition("=") for line in self.lines) if key == name]

    def get(self, path: str, key: str) -> Any:
        request = urllib.request.Request(f"{self.all('base_url')[0]}{path}", headers={"x-api-key": key})
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        if self.process.poll() is None:
            self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=20)
        return self.process.returncode, errors
