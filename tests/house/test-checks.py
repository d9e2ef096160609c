#!/usr/bin/env python3
"""The house checks find what they look for: each runs on a small tree of its own with one violation,
whose file and line it has to name, and on the same tree without it."""

import os
import shutil
import subprocess
import sys
import tempfile

TOOLS = sys.argv[1]
OPENING = "/* For a test. */\n"


def function(lines):
    """A function of that many lines of body, its braces among them."""
    return "static void\nlong_one (void)\n{\n" + "  x ();\n" * (lines - 2) + "}\n"


# name, check, file, text with the violation, its line, text without.
CASES = (
    ("arrow", "arrows", "src/base/a.c", OPENING + '#include "config/config.h"\n', 2,
     OPENING + '#include "base/a.h"\n'),
    ("arrow-up", "arrows", "src/message/a.h", OPENING + '\n#include "chain/chain.h"\n', 3,
     OPENING + '#include "base/a.h"\n'),
    ("arrow-unknown-folder", "arrows", "src/other/a.c", OPENING, 1, None),
    ("arrow-filter", "arrows", "filters/x/x.c", OPENING + '#include "base/buffer.h"\n', 2,
     OPENING + "#include <mailweir/filter.h>\n#include <gmime/gmime.h>\n#include <magic.h>\n"),
    ("arrow-short", "arrows", "src/smtp/a.c", OPENING + '#include "a.h"\n', 2, OPENING),
    ("gmime", "arrows", "src/message/a.c", OPENING + "#include <gmime/gmime.h>\n", 2, OPENING),
    ("uv", "arrows", "src/gateway/a.c", OPENING + "#include <uv.h>\n", 2, OPENING),
    ("openssl", "arrows", "src/worker/a.c", OPENING + "#include <openssl/ssl.h>\n", 2, OPENING),
    ("socket-header", "arrows", "src/smtp/a.c", OPENING + "#include <sys/socket.h>\n", 2, OPENING),
    ("socket", "arrows", "src/smtp/a.c", OPENING + "/* socket () */\nint a = socket (1, 2, 3);\n", 3,
     OPENING + '/* socket () */\nconst char *a = "socket (";\n'),
    ("clock", "arrows", "src/gateway/a.c", OPENING + "long a = g_get_monotonic_time ();\n", 2,
     OPENING + "long a = session->time (1) + my_time (2);\n"),
    ("clock-chain", "arrows", "src/chain/a.c", OPENING + "long a = time (0);\n", 2, OPENING),
    ("file-length", "size", "src/base/a.c", OPENING + "\n" * 600, 601, OPENING + "\n" * 599),
    ("function-length", "size", "tests/base/a.c", OPENING + function(81), 3,
     OPENING + function(80)),
    ("function-braces", "size", "tests/base/a.c",
     OPENING + function(80).replace("x ();", 'y ("{", \'}\'); /* } */', 1) + function(81), 85,
     OPENING + function(80).replace("x ();", 'y ("{", \'}\'); /* } */', 1)),
    ("median", "size", "src/base/a.c", OPENING + function(16), 3, OPENING + function(15)),
    ("format", "format", "src/base/a.c", OPENING + "int  a;\n", 2, OPENING + "int a;\n"),
    ("opening", "format", "src/base/a.c", "int a;\n", 1, OPENING + "int a;\n"),
    ("header-c", "headers", "src/base/a.h", OPENING + "gsize a (void);\n", 2,
     OPENING + "#include <glib.h>\ngsize a (void);\n"),
    ("header-c++", "headers", "include/mailweir/a.h", OPENING + "int a (int class);\n", 2,
     OPENING + "int a (int klass);\n"),
    ("note", "prose", "docs/a.md", "one\ntwo TO" + "DO three\n", 2, "TO" + "DOS\n"),
    ("note-in-code", "prose", "src/base/a.c", OPENING + "/* FIX" + "ME */\n", 2, OPENING),
    ("original-without-test", "originals", "docs/originals.md", "| what | tests |\n|---|---|\n| x |  |\n",
     3, "| what | tests |\n|---|---|\n| x | `docs/originals.md#\"y\"`, `docs/originals.md#y` | \"y\" \"\"y\"\"\n"),
    ("original-lost-test", "originals", "docs/originals.md", "\n| x | `tests/a.c#/a/b` |\n", 2,
     "\n| x | `docs/originals.md#/a/` |\n\"/a/\"\n"),
    ("place", "prose", "tools/run", "#!/bin/sh\ncd /ho" + "me/me/x\n", 2,
     "#!/bin/sh\ncd ./ho" + "me/x\n"),
)


def write(root, path, text):
    full = os.path.join(root, path)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, "w", encoding="utf-8") as file:
        file.write(text)


def run(check, path, text):
    """Runs a copy of the check in a tree of one file."""
    with tempfile.TemporaryDirectory(prefix="mailweir-house-") as root:
        tools = os.path.join(root, "tools")
        os.mkdir(tools)
        for name in ("house.py", "check-" + check):
            shutil.copy(os.path.join(TOOLS, name), tools)
        shutil.copy(os.path.join(TOOLS, "..", ".clang-format"), root)
        os.makedirs(os.path.join(root, "src"), exist_ok=True)
        os.makedirs(os.path.join(root, "include"), exist_ok=True)
        if text is not None:
            write(root, path, text)
        return subprocess.run([sys.executable, os.path.join(tools, "check-" + check)],
                              capture_output=True, text=True, check=False)


def judge(check, path, wrong, line, right):
    """What is wrong with the check's answers, or None; "skip" where a tool is missing."""
    bad = run(check, path, wrong)
    good = run(check, path, right)
    if 77 in (bad.returncode, good.returncode):
        return "skip"
    if bad.returncode != 1 or f"{path}:{line}:" not in bad.stdout:
        return f"did not find {path}:{line}, but said {bad.returncode}: {bad.stdout}{bad.stderr}"
    if good.returncode != 0:
        return f"objects to what is right: {good.stdout}{good.stderr}"
    return None


def main():
    print(f"1..{len(CASES)}")
    failed = False
    for number, (name, *case) in enumerate(CASES, 1):
        wrong = judge(*case)
        if wrong == "skip":
            print(f"ok {number} {name} # SKIP its tool is not installed")
        elif wrong is None:
            print(f"ok {number} {name}")
        else:
            failed = True
            print(f"not ok {number} {name}")
            print("\n".join("# " + line for line in wrong.split("\n")))
        sys.stdout.flush()
    sys.exit(1 if failed else 0)


main()
