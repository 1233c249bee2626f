"""Writes the normalised tar of a list of entries, by hand: compared with what source-controller publishes.

Reads JSON from standard input, a list of [path, mode, text or null for a directory], in any order, and writes the uncompressed tar.
"""
import json
import sys


def octal(value, width):
    return b"%0*o\0" % (width - 1, value)


def block(name, prefix, mode, size, kind):
    # Go's writer leaves the device numbers of an extended header blank.
    device = b"\0" * 8 if kind == b"x" else octal(0, 8)
    fields = [
        name.ljust(100, b"\0"), octal(mode, 8), octal(0, 8), octal(0, 8), octal(size, 12), octal(0, 12), b" " * 8,
        kind, b"\0" * 100, b"ustar\x0000", b"\0" * 32, b"\0" * 32, device, device, prefix.ljust(155, b"\0"),
    ]
    header = b"".join(fields).ljust(512, b"\0")
    return header[:148] + b"%06o\0 " % sum(header) + header[156:]


def padded(content):
    return content + b"\0" * (-len(content) % 512)


def split(path):
    """USTAR's prefix and name, cut at the last slash that fits; nothing if the path needs an extended header."""
    if not path.isascii():
        return None
    if len(path) <= 100:
        return b"", path
    slash = path[:156].rfind(b"/")
    prefix, name = path[:slash], path[slash + 1 :]
    return (prefix, name) if slash > 0 and 0 < len(name) <= 100 else None


def plain(name):
    name = bytes(byte for byte in name if byte < 128)
    return name if len(name) <= 100 else name[:100].rstrip(b"/")


def record(path):
    body = b" path=" + path + b"\n"
    length = len(body)
    while len(b"%d" % length) + len(body) != length:
        length = len(b"%d" % length) + len(body)
    return b"%d" % length + body


def entry(path, mode, size, kind):
    fits = split(path)
    if fits:
        return block(fits[1], fits[0], mode, size, kind)
    parent, slash, base = path.rpartition(b"/")
    extended = record(path)
    name = bytes(byte for byte in parent + slash + b"PaxHeaders.0/" + base if byte < 128)[:100].rstrip(b"/")
    return block(name, b"", 0, len(extended), b"x") + padded(extended) + block(plain(path), b"", mode, size, kind)


entries = [(path.encode(), mode, text) for path, mode, text in json.load(sys.stdin)]
entries.sort(key=lambda entry: entry[0].split(b"/"))
out = block(b".", b"", 0o750, 0, b"5")
for path, mode, text in entries:
    if text is None:
        out += entry(path, mode, 0, b"5")
    else:
        content = text.encode()
        out += entry(path, mode, len(content), b"0") + padded(content)
sys.stdout.buffer.write(out + b"\0" * 1024)
