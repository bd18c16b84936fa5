"""Prints the table. `compare.py FOLDER [--list]`: with --list also each unsafe file that a scanner lets pass."""

import json
import logging
import sys
from pathlib import Path

from modelscan.modelscan import ModelScan
from picklescan.scanner import SafetyLevel, scan_file_path

logging.disable(logging.CRITICAL)
FOLDER = Path(sys.argv[1])


def by_picklescan(path, strict=False):
    try:
        result = scan_file_path(str(path))
    except Exception:
        return "no verdict"
    dangerous = result.infected_files > 0 or result.issues_count > 0
    if strict:
        dangerous = dangerous or any(found.safety != SafetyLevel.Innocuous for found in result.globals)
    if dangerous:
        return "refused"
    return "no verdict" if result.scan_err else "passed"


def by_modelscan(path):
    try:
        scan = ModelScan()
        scan.scan(str(path))
        summary = scan._generate_results()["summary"]
        errors = scan._generate_results()["errors"]
    except Exception:
        return "no verdict"
    if summary["total_issues"]:
        return "refused"
    scanned = summary["scanned"]["total_scanned"]
    return "no verdict" if errors or not scanned else "passed"


def main():
    ours = {}
    for line in (FOLDER / "ours.jsonl").read_text().splitlines():
        told = json.loads(line)
        ours[told["file"]] = told["verdict"]
    cases = [json.loads(line) for line in (FOLDER / "cases.jsonl").read_text().splitlines()]
    files = [(case["set"], case["name"], FOLDER / case["file"]) for case in cases]
    files += [("good", path.name, path) for path in sorted((FOLDER / "good").iterdir())]
    tools = {
        "modelferry": lambda path: "passed" if ours[str(path)] == "ok" else "refused",
        "picklescan": by_picklescan,
        "picklescan --strict": lambda path: by_picklescan(path, strict=True),
        "modelscan": by_modelscan,
    }
    print(f"{'':22}" + "".join(f"{part:>34}" for part in ("unsafe", "malformed", "good")))
    print(f"{'':22}" + f"{'refused / passed / no verdict':>34}" * 3)
    for tool, judge in tools.items():
        row, passed = f"{tool:22}", []
        for part in ("unsafe", "malformed", "good"):
            verdicts = [(name, judge(path)) for kind, name, path in files if kind == part]
            counts = [sum(verdict == want for _, verdict in verdicts) for want in ("refused", "passed", "no verdict")]
            row += f"{' / '.join(map(str, counts)):>34}"
            if part == "unsafe":
                passed = [name for name, verdict in verdicts if verdict == "passed"]
        print(row)
        if "--list" in sys.argv:
            for name in passed:
                print(f"    passed: {name}")


main()
