"""The messages that are sent: nested MIME of a given size, many headers, many parts, deep nesting."""

import base64
import random

TEXT = "The quick brown fox jumps over the lazy dog, and the weir lets the water through.\n"
HEAD = ("From: Anna <a@load.test>\nTo: Ben <b@load.test>\nSubject: The price of a proxy\n"
        "Date: Sat, 21 Nov 2026 02:00:00 +0000\nMessage-ID: <1@load.test>\nMIME-Version: 1.0\n")


def pdf(octets):
    """Base64 lines of that many octets, of something that begins like a PDF and compresses badly."""
    raw = b"%PDF-1.4\n" + random.Random(1).randbytes(max(0, octets * 3 // 4 * 76 // 77))
    return base64.encodebytes(raw).decode()


def nested(size):
    """multipart/mixed of multipart/alternative (text, HTML) and a PDF; about `size` octets."""
    text = TEXT * 5
    before = (HEAD + 'Content-Type: multipart/mixed; boundary="outer"\n\nPrologue\n--outer\n'
              'Content-Type: multipart/alternative; boundary="inner"\n\n--inner\n'
              'Content-Type: text/plain; charset=utf-8\n\n' + text + '\n--inner\n'
              'Content-Type: text/html; charset=utf-8\n\n<html><body><p>' + text
              + '</p></body></html>\n\n--inner--\n\n--outer\n'
              'Content-Type: application/pdf; name="report.pdf"\n'
              'Content-Disposition: attachment; filename="report.pdf"\n'
              'Content-Transfer-Encoding: base64\n\n')
    after = "\n--outer--\n"
    # On the wire every line has one octet more.
    room = size - len(before) - len(after) - before.count("\n") - after.count("\n")
    return before + pdf(max(0, room * 77 // 78)) + after


def plain(size):
    return HEAD + "\n" + TEXT * max(1, (size - len(HEAD)) // (len(TEXT) + 1))


def headers(count):
    return HEAD + "".join(f"X-Field-{i}: value {i}\n" for i in range(count)) + "\n" + TEXT


def parts(count):
    part = "--b\nContent-Type: text/plain; name=\"a.txt\"\n\nA part.\n"
    return HEAD + "Content-Type: multipart/mixed; boundary=b\n\n" + part * count + "--b--\n"


def nesting(depth):
    opened = "".join(f"Content-Type: multipart/mixed; boundary=b{i}\n\n--b{i}\n" for i in range(depth))
    closed = "".join(f"\n--b{i}--\n" for i in reversed(range(depth)))
    return HEAD + opened + "Content-Type: text/plain\n\nThe innermost.\n" + closed
