"""Planted faults: each *.fault breaks one promise of the code, and the test that it names has to turn red.

    The promise: what breaks it
    red: the tests that must fail
    under: the preset they are built with; dev when it is left out
    --- room/file.c
    text that stands there once
    +++
    what takes its place

run.py [WORD...]: only those whose names have one of the words.  A copy of the tree is built below build/faults, each fault put
into it in turn; the tests named must be green without any.  One that survives, or no longer applies, is an error.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WORK = ROOT / "build" / "faults"
TREE = WORK / "tree"
ENV = {**os.environ, "TSAN_OPTIONS": "halt_on_error=1"}
SECONDS = 240  # a test that takes longer has not ended well


class Fault:
    def __init__(self, path):
        head, *edits = ("\n" + path.read_text()).split("\n--- ")
        promise, red = head.strip().split("\nred: ")
        red, _, preset = red.partition("\nunder: ")
        self.name, self.promise, self.tests, self.preset, self.edits = path.stem, promise, red.split(), preset or "dev", []
        for edit in edits:
            file, rest = edit.split("\n", 1)
            old, new = ("\n" + rest).split("\n+++\n")
            self.edits.append((file, old[1:], new.rstrip("\n")))

    def plant(self):
        """What is to be put back: {path: text}; a complaint when the fault does not fit."""
        before = {}
        for file, old, new in self.edits:
            path = TREE / file
            text = path.read_text()
            before.setdefault(path, text)
            if text.count(old) != 1:
                return before, f"{file} has its text {text.count(old)} times"
            path.write_text(text.replace(old, new))
        return before, None


def run(*command, seconds=3600):
    try:
        done = subprocess.run(command, cwd=TREE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=seconds,
                              env=ENV)
        return done.returncode, done.stdout
    except subprocess.TimeoutExpired:
        return 1, "too long"


def targets(tests):
    """What a test needs to be built: its program, or those that scenarios run."""
    return sorted({t for test in tests for t in (["hearth", "hearthctl", "short_writes"] if test[0].isdigit() else [test])})


def build(preset, tests):
    status, text = run("cmake", "--build", WORK / preset, "-j2", "--target", *targets(tests))
    return None if status == 0 else "does not build:\n" + text[-2000:]


def is_red(preset, test, log=None):
    status, text = run("ctest", "--test-dir", WORK / preset, "--timeout", str(SECONDS), "-R", f"^{test}$", "--no-tests=error",
                       "--output-on-failure", seconds=SECONDS + 60)
    if log:
        log.write(text)
    return status != 0


def copy_tree(presets):
    shutil.rmtree(WORK, ignore_errors=True)
    shutil.copytree(ROOT, TREE, ignore=shutil.ignore_patterns("build", ".git", "__pycache__"))
    for preset in presets:
        status, text = run("cmake", "--preset", preset, "-B", WORK / preset)
        assert status == 0, text


def complain(faults, preset):
    """What is wrong without any fault."""
    tests = sorted({t for f in faults if f.preset == preset for t in f.tests})
    return build(preset, tests) or ", ".join(t for t in tests if is_red(preset, t))


def verdict(fault):
    before, complaint = fault.plant()
    complaint = complaint or build(fault.preset, fault.tests)
    with open(WORK / f"{fault.name}.log", "w") as log:  # how each turned red
        survived = [] if complaint else [t for t in fault.tests if not is_red(fault.preset, t, log)]
    for path, text in before.items():
        path.write_text(text)
    return complaint or (f"survived {', '.join(survived)}" if survived else None)


def main(words):
    faults = [Fault(p) for p in sorted(HERE.glob("*.fault")) if not words or any(w in p.stem for w in words)]
    presets = sorted({f.preset for f in faults})
    copy_tree(presets)
    complaint = "; ".join(filter(None, (complain(faults, p) for p in presets)))
    if not faults or complaint:
        sys.exit(f"not green without any fault: {complaint}" if faults else "no such fault")
    bad = 0
    for fault in faults:
        began = time.monotonic()
        why = verdict(fault)
        bad += why is not None
        print(f"{fault.name:32} {why or 'red: ' + ' '.join(fault.tests)}  ({time.monotonic() - began:.0f} s)", flush=True)
    print(f"{len(faults)} faults, {bad} survived")
    sys.exit(bad > 0)


main(sys.argv[1:])
