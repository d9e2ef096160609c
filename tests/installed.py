"""What the tests that install Mailweir share: an installation in a folder, and lines of TAP."""

import pathlib
import re
import subprocess

count = 0


def check(good, what):
    global count
    count += 1
    print(f"{'ok' if good else 'not ok'} {count} - {what}", flush=True)


def run(*command, quiet=True, **more):
    """The finished process; what it said is shown when it failed, or is not to be quiet."""
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240, **more)
    if result.returncode != 0 or not quiet:
        print("#", " ".join(str(word) for word in command))
        for line in (result.stdout + result.stderr).splitlines():
            print("#", line)
    return result


def install(build, root, tags, names):
    """The folder of the .pc files, these among them. DESTDIR is in none: their prefix is made what it
    really is."""
    result = run("meson", "install", "-C", build, "--no-rebuild", "--quiet", "--destdir", root,
                 "--tags", tags)
    found = list(pathlib.Path(root).rglob("*.pc"))
    for path in found:
        text = path.read_text(encoding="utf-8")
        path.write_text(re.sub(r"^prefix=", f"prefix={root}", text, flags=re.M), encoding="utf-8")
    check(result.returncode == 0 and set(names) <= {path.name for path in found}, "install")
    return found[0].parent


def exports(root, library, function):
    """Its functions are there, and nothing that is not ours to name."""
    path = str(next(pathlib.Path(root).rglob(library)))
    words = run("nm", "-D", "--defined-only", path).stdout.split()
    names = [word for word in words if len(word) > 1 and not word.isalnum()]
    check(function in names, f"{library} exports its functions")
    check(all(name.startswith("weir_") for name in names), "and nothing else")
