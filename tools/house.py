"""What the house checks share: the tree's files, and the functions in C text.

The reader of C knows comments, strings and braces, and the one style that the tree is written in
(a function's body opens and closes in the first column); it needs no compiler."""

import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FOLDERS = ("include", "src", "filters", "tests")


def files(*endings, folders=FOLDERS):
    """Paths below the root, sorted: what git knows or would take, or all where there is no git."""
    try:
        listed = subprocess.run(
            ["git", "-c", "safe.directory=*", "ls-files", "-co", "--exclude-standard", "-z"],
            cwd=ROOT, check=True, capture_output=True).stdout.decode().split("\0")
    except (OSError, subprocess.CalledProcessError):
        listed = walk()
    return sorted(path for path in set(listed)
                  if path.endswith(endings)
                  and (folders is None or path.split("/")[0] in folders)
                  and os.path.isfile(os.path.join(ROOT, path)))


def walk():
    for folder, inner, names in os.walk(ROOT):
        inner[:] = [name for name in inner
                    if name != ".git" and not (folder == ROOT and name.startswith("build"))]
        for name in names:
            yield os.path.relpath(os.path.join(folder, name), ROOT)


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as file:
        return file.read()


TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)


def blank(match):
    text = match.group(0)
    if text[0] in "\"'":
        return text[0] + re.sub(r"[^\n]", " ", text[1:-1]) + text[0]
    return re.sub(r"[^\n]", " ", text)


def without_comments(text):
    """Comments and the insides of strings as spaces; every line stays where it was."""
    return TOKEN.sub(blank, text)


def functions(text):
    """(name, line of its name, lines of its body with both braces) for each function definition."""
    lines = without_comments(text).split("\n")
    start = None
    for number, line in enumerate(lines):
        if line.startswith("{") and start is None:
            start = number
        elif line.startswith("}") and start is not None:
            if line.rstrip() == "}":
                name, where = name_before(lines, start)
                if name is not None:
                    yield name, where + 1, number - start + 1
            start = None


def name_before(lines, brace):
    """The function whose head ends right above the brace; None for a struct or a table."""
    first = brace
    while first > 0 and lines[first - 1].strip() and lines[first - 1][0] not in "}#":
        first -= 1
    head = "\n".join(lines[first:brace])
    match = re.search(r"(?m)^(?:.*?[\s*])?(\w+) ?\(", head)
    if match is None or re.match(r"\s*(typedef|struct|enum|union)\b[^(]*$", head):
        return None, None
    return match.group(1), first + head[:match.start(1)].count("\n")


def finish(violations, subject):
    """Prints what was found and ends the program: 0 for nothing, 1 else."""
    for violation in violations:
        print(violation)
    if violations:
        print(f"{len(violations)} violation{'s' if len(violations) != 1 else ''} in {subject}")
    sys.exit(1 if violations else 0)
