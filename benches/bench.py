"""What the benches share: tools, the hub, a run that is measured, a table."""

import argparse
import os
import pathlib
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import venv

ROOT = pathlib.Path(__file__).resolve().parent.parent
RELEASE = ROOT / "target/release"
MODELFERRY = RELEASE / "modelferry"
CACHE = ROOT / "target/benches"


def install(packages):
    """Installs the Debian packages, `{tool: package}`, of the tools that are missing."""
    missing = [package for tool, package in packages.items() if not shutil.which(tool)]
    if missing:
        subprocess.run(["apt-get", "update", "-q"], check=True, stdout=sys.stderr)
        subprocess.run(["apt-get", "install", "-qy", "--no-install-recommends", *missing], check=True, stdout=sys.stderr)


def python_tool(package, tool):
    """A tool of a Python package, in an environment of its own."""
    home = CACHE / "venv"
    if not (home / "bin" / tool).exists():
        venv.create(home, with_pip=True)
        subprocess.run([home / "bin/pip", "install", "-q", package], check=True, stdout=sys.stderr)
    return home / "bin" / tool


def parser(doc, runs=None):
    """The options that every bench has."""
    options = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--folder", help="where to work; target/benches unless told")
    options.add_argument("--as-built", action="store_true", help="run target/release as it is, and build nothing")
    if runs:
        options.add_argument("--runs", type=int, default=runs)
    return options


def build(options):
    """Builds both programs as they are released: each alone, so that neither brings the other features."""
    for package in ("modelferry", "modelferry-fixtures"):
        command = ["cargo", "build", "--release", "--locked", "--bins", "-p", package]
        if not options.as_built:
            subprocess.run(command, cwd=ROOT, check=True)


class Hub:
    """The fixtures hub as a program; `variables` lead to it, `sources` are worth importing."""

    def __init__(self, *options):
        command = [RELEASE / "modelferry-fixtures", *map(str, options)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.variables, self.sources, self.sent, self.asked = {}, [], None, None
        for line in self.process.stdout:
            if line.startswith("export "):
                name, value = line.removeprefix("export ").strip().split("=", 1)
                self.variables[name] = value
            elif line.startswith("# modelferry import "):
                self.sources.append(line.split()[-1])
            elif line.startswith("# ready"):
                return
        sys.exit("the hub did not start")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Ends it. Returns the body bytes that it sent."""
        if self.sent is None:
            self.process.send_signal(signal.SIGINT)
            rest, _ = self.process.communicate()
            self.asked = next(int(line.split()[-1]) for line in rest.splitlines() if line.startswith("# asked "))
            self.sent = next(int(line.split()[-1]) for line in rest.splitlines() if line.startswith("# sent "))
        return self.sent

    def environment(self):
        """This process's environment, with the hub in the place of the real ones."""
        return {**os.environ, **self.variables}


def sha256(*options):
    """The SHA-256 of the hub's file that these options add, from a hub that nothing slows down."""
    with Hub(*options) as hub:
        piped = f"curl -sSf {shlex.quote(hub.sources[-1])} | openssl dgst -sha256 -r"
        done = subprocess.run(piped, shell=True, check=True, capture_output=True, text=True)
    return done.stdout.split()[0]


def folder(where):
    """A folder to work in, which goes when it is no longer used."""
    where = pathlib.Path(where) if where else CACHE
    where.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(dir=where)


def measure(command, environment):
    """Runs a line of shell. Returns wall seconds, CPU seconds and the resident peak in MiB of its largest process."""
    os.sync()
    started = time.monotonic()
    process = subprocess.Popen(["bash", "-c", command], env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"failed: {command}")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def compare(commands, runs, environment, work, first, after=lambda: None):
    """Runs each line in turn, so many times over, and prints a table with `first` as the measure of the others."""
    results = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            out = pathlib.Path(tempfile.mkdtemp(dir=work))
            results[name].append(measure(command.replace("{out}", str(out)), environment))
            shutil.rmtree(out)
            after()
    least = statistics.median(wall for wall, _, _ in results[first])
    print(f"{'':22} {'wall s':>22} {'CPU s':>22} {'peak MiB':>9} {'ratio':>6}")
    for name, measured in results.items():
        walls, cpus, peaks = zip(*measured)
        ratio = statistics.median(walls) / least
        print(f"{name:22} {spread(walls):>22} {spread(cpus):>22} {max(peaks):>9.0f} {ratio:>6.2f}")
    print(f"load average at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; figures are min / median / max")


def spread(values):
    return f"{min(values):.2f} / {statistics.median(values):.2f} / {max(values):.2f}"
