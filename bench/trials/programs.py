"""Programs that are started, stopped, killed, held and started again, as faults ask for it."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PATIENCE = 60.0


@dataclass
class Program:
    """A program of ours or of others; what it says goes into a file."""

    name: str
    command: Sequence[str]
    ready: Callable[[], bool]
    log: Path
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    cwd: Path | None = None
    process: subprocess.Popen[bytes] | None = None

    @property
    def runs(self) -> bool:
        """Whether it is there now."""
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self) -> int:
        """The number of the process that runs. Raises RuntimeError."""
        if not self.process or not self.runs:
            raise RuntimeError(f"{self.name} does not run; {self.log} says why")
        return self.process.pid

    def start(self) -> "Program":
        """Start it, and wait until it is ready. Raises RuntimeError."""
        self.begin()
        end = time.monotonic() + PATIENCE
        while not self.ready():
            _ = self.pid
            if time.monotonic() > end:
                raise RuntimeError(f"{self.name} is not ready after {PATIENCE:.0f} s; {self.log} says why")
            time.sleep(0.05)
        return self

    def begin(self) -> None:
        """Start it, and go on."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, env=dict(self.environment), stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.cwd
            )

    def send(self, sign: signal.Signals) -> None:
        """Send it a signal: SIGSTOP holds it, SIGCONT lets it go on."""
        os.kill(self.pid, sign)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self.process and self.runs:
            self.process.kill()
            self.process.wait()

    def stop(self, patience: float = 30.0) -> None:
        """Ask it to end; one that does not is killed."""
        if not self.process or not self.runs:
            return
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.kill()
