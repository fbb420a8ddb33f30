"""The runner of `make test`: stages in four lanes, progress while they run, and a table at the end.

`python -m tests.stages` runs all; with names (see STAGES), those. Each stage's output is in .cache/test/<stage>.log and
is shown when the stage fails; a failure keeps no other stage from running. The last line is
`N passed, N failed, N skipped`.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / ".cache/test"
RESULTS = OUT / "results.json"
COVERAGE = 90
#: Of what runs beside the lab: a tenth of what the lab's tests get where both want the processor.
NICE = 10
COVERED = ("--cov=plugins", "--cov=extensions", "--cov-report=")
PACKAGE = "ansible_collections.dbaas.platform"


@dataclass
class Stage:
    """One command of the run and what came of it: how many tests passed, which failed or did not run, and why."""

    name: str
    command: Sequence[str]
    niceness: int = NICE
    seconds: float = 0.0
    passed: int = 0
    failed: list[str] = field(default_factory=lambda: ["has not run"])
    skipped: list[str] = field(default_factory=list)


def _pytest(name: str, *options: str, niceness: int = NICE) -> Stage:
    junit = f"--junit-xml={OUT / name}.xml"
    return Stage(name, ("pytest", "-q", "-ra", "--durations=10", junit, *options, f"tests/{name}"), niceness)


DOCS = ("--plugin-docs", "--validate-collection-refs", "self", "--disallow-unknown-collection-refs", "--skip-rstcheck")
OURS = ("-p", f"{PACKAGE}.extensions", "-p", "tests")
#: Name -> lane and stage. Tests on the lab wait for what happens in seconds: the lanes static and unit take what
#: processor these leave.
STAGES = {
    stage.name: (lane, stage)
    for lane, stage in [
        ("static", Stage("ruff", ("ruff", "check"))),
        ("static", Stage("format", ("ruff", "format", "--check"))),
        ("static", Stage("mypy", ("mypy", "-p", f"{PACKAGE}.plugins.module_utils", *OURS))),
        ("static", Stage("yamllint", ("yamllint", "."))),
        ("static", Stage("changelog", ("antsibull-changelog", "lint"))),
        ("static", Stage("docs", ("antsibull-docs", "lint-collection-docs", *DOCS, "."))),
        ("static", Stage("ansible-lint", ("ansible-lint",))),
        # galaxy-importer gives its ansible-lint three minutes of the clock, which may not be had beside the lab
        ("static", Stage("artefact", (sys.executable, "-m", "tests.tools.artefact"), niceness=0)),
        ("static", Stage("sanity", (sys.executable, "-m", "tests.tools.sanity"))),
        ("build", Stage("lab", (sys.executable, "-m", "tests.lab", "binaries"), niceness=0)),
        # more than there are processors: most wait for a process or a socket of theirs
        ("unit", _pytest("unit", "--numprocesses=4", "--dist=worksteal", *COVERED)),
        ("unit", Stage("coverage", (sys.executable, "-m", "coverage", "report", f"--fail-under={COVERAGE}"))),
        # Without coverage, which would cost each of its thousand processes half a second
        ("lab", _pytest("integration", "--numprocesses=2", "--dist=loadscope", niceness=0)),
    ]
}
LINT = ("ruff", "format", "mypy", "yamllint", "changelog", "docs", "ansible-lint")
SAYS = threading.Lock()
RUNNING: set[subprocess.Popen[bytes]] = set()
OVER = threading.Event()


def say(text: str) -> None:
    with SAYS:
        print(text, flush=True)


def count(stage: Stage, code: int, output: str) -> None:
    """Fill in what ran: from the JUnit file where pytest wrote one, else the stage itself is the one test."""
    stage.skipped = [line.partition(": ")[2] for line in output.splitlines() if line.startswith("not run: ")]
    stage.failed = []
    junit = OUT / f"{stage.name}.xml"
    if stage.command[0] == "pytest" and junit.is_file():
        for case in ET.parse(junit).getroot().iter("testcase"):  # noqa: S314, our own file
            name = f"{case.get('classname')}::{case.get('name')}"
            failures = [*case.iter("failure"), *case.iter("error")]
            skip = case.find("skipped")
            if failures:
                stage.failed.append(f"{name}: {failures[0].get('message', '').partition(chr(10))[0][:200]}")
            elif skip is not None:
                stage.skipped.append(f"{name}: {skip.get('message')}")
            else:
                stage.passed += 1
    else:
        stage.passed = int(code == 0)
    if code and not stage.failed:
        stage.failed.append(f"ended with {code}")
    if stage.name == "integration":
        accepted = manifests()
        if os.environ.get("DBAAS_CRDS") and not accepted:
            stage.failed.append("no manifest was shown to the genuine CRDs, though DBAAS_CRDS is set")


def manifests() -> int:
    """How many manifests the genuine CRDs accepted by strict server-side dry run, as the integration tests noted."""
    try:
        return int(json.loads(RESULTS.read_text(encoding="utf-8")).get("manifests_accepted", 0))
    except FileNotFoundError:
        return 0


def wait(process: subprocess.Popen[bytes], seconds: float) -> int | None:
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        return None


def begin(stage: Stage, out: IO[str]) -> subprocess.Popen[bytes]:
    """Start it in a session of its own, which `end` ends."""
    command = ("nice", "-n", str(stage.niceness), *stage.command)
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
    )
    RUNNING.add(process)
    # Linux shares the processor between sessions first, whatever niceness those in them have
    with contextlib.suppress(OSError):
        Path(f"/proc/{process.pid}/autogroup").write_text(str(stage.niceness), encoding="utf-8")
    return process


def end() -> None:
    """Interrupt what runs, so that it clears away what it has made, and begin nothing more."""
    OVER.set()
    for process in list(RUNNING):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
            process.wait()


def run(stage: Stage) -> None:
    log = OUT / f"{stage.name}.log"
    start = time.monotonic()
    say(f"{stage.name:>12}  started")
    with log.open("w", encoding="utf-8") as out:
        process = begin(stage, out)
        while (code := wait(process, 30)) is None:
            last = log.read_text(encoding="utf-8", errors="replace").rstrip().rpartition("\n")[2]
            say(f"{stage.name:>12}  {time.monotonic() - start:.0f} s  {last[-100:]}")
    RUNNING.discard(process)
    stage.seconds = time.monotonic() - start
    output = log.read_text(encoding="utf-8", errors="replace")
    count(stage, code, output)
    say(f"{stage.name:>12}  {'FAILED' if stage.failed else 'passed'} in {stage.seconds:.0f} s")
    if stage.failed:
        say("\n".join(f"{stage.name:>12} | {line}" for line in output.splitlines()[-200:]))


def run_all(queue: Sequence[Stage]) -> None:
    for stage in queue:
        if not OVER.is_set():
            run(stage)


def lanes(chosen: Sequence[str]) -> None:
    """Run the lanes: static beside all, build, then the lab and unit beside each other."""
    queues: dict[str, list[Stage]] = {"static": [], "build": [], "unit": [], "lab": []}
    for name in chosen:
        lane, stage = STAGES[name]
        queues[lane].append(stage)
    static, unit = (threading.Thread(target=run_all, args=(queues[lane],)) for lane in ("static", "unit"))
    static.start()
    run_all(queues["build"])
    unit.start()
    run_all(queues["lab"])
    unit.join()
    static.join()


def table(chosen: Sequence[str]) -> int:
    """Print what ran, what did not, and the closing line; gives the number of failures."""
    stages = [STAGES[name][1] for name in chosen]
    print(f"\n{'stage':<14}{'seconds':>8}{'passed':>8}{'failed':>8}{'skipped':>9}")
    for stage in stages:
        print(f"{stage.name:<14}{stage.seconds:>8.1f}{stage.passed:>8}{len(stage.failed):>8}{len(stage.skipped):>9}")
    missing = [name for name in STAGES if name not in chosen]
    failed, skipped = (
        [f"{stage.name}: {name}" for stage in stages for name in getattr(stage, kind)] for kind in ("failed", "skipped")
    )
    print(f"\nmanifests that the genuine CRDs accepted: {manifests() if 'integration' in chosen else 'not asked'}")
    print(f"stages not asked for: {', '.join(missing)}" if missing else "all stages ran")
    print(f"tests that did not run: {len(skipped)}", *skipped, sep="\n  ")
    if failed:
        print("tests that failed:", *failed, sep="\n  ")
    print(f"{sum(stage.passed for stage in stages)} passed, {len(failed)} failed, {len(skipped)} skipped")
    return len(failed)


def main(names: Sequence[str]) -> int:
    chosen = [name for name in STAGES if name in (names or STAGES) or ("lint" in names and name in LINT)]
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    OUT.mkdir(parents=True, exist_ok=True)
    RESULTS.unlink(missing_ok=True)
    for old in [*OUT.glob("*.xml"), *ROOT.glob(".coverage*")]:
        old.unlink()
    try:
        lanes(chosen)
    except KeyboardInterrupt:
        end()
        print("interrupted: what ran has ended")
        return 130
    return 1 if table(chosen) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
