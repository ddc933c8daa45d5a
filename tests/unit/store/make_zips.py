#!/usr/bin/env python3
"""Make the zip files that packages_test.c reads: make_zips.py OUTDIR.

Writes OUTDIR/NAME.zip and OUTDIR/manifest, one line a zip: NAME, a tab, and "ok" or a part of the
error's text. Archives that no honest writer makes are made by changing bytes of honest ones.
"""
import io
import os
import struct
import sys
import warnings
import zipfile
import zlib

NOT_A_ZIP = "Could not unzip uploaded file. Please check your file, then try to upload again."
LINK, DIRECTORY, FILE = 0o120777, 0o040755, 0o100644


def info(name, mode=FILE, system=3, method=zipfile.ZIP_DEFLATED, date=(2024, 2, 29, 12, 30, 58)):
    i = zipfile.ZipInfo("x", date)
    i.filename = name  # ZipInfo() itself cuts at NUL
    i.external_attr = mode << 16
    i.create_system = system
    i.compress_type = method
    return i


def archive(*members, comment=b""):
    """members: (name or ZipInfo, content)"""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        z.comment = comment
        for name, content in members:
            z.writestr(name if isinstance(name, zipfile.ZipInfo) else info(name), content)
    return out.getvalue()


def link(name, target, method=zipfile.ZIP_STORED):
    return info(name, LINK, method=method), target


def change(data, offset, fmt, value):
    data = bytearray(data)
    struct.pack_into("<" + fmt, data, offset, value)
    return bytes(data)


def central(data, index=0):
    at = struct.unpack_from("<I", data, data.rindex(b"PK\5\6") + 16)[0]
    for _ in range(index):
        name, extra, comment = struct.unpack_from("<HHH", data, at + 28)
        at += 46 + name + extra + comment
    return at


def local(data, index=0):
    return struct.unpack_from("<I", data, central(data, index) + 42)[0]


class Streamed(io.RawIOBase):
    """A target that can't seek makes zipfile write data descriptors."""

    def __init__(self):
        self.data = b""

    def writable(self):
        return True

    def write(self, data):
        self.data += bytes(data)
        return len(data)


def streamed():
    out = Streamed()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr(info("index.py"), b"x = 1\n" * 500)
        z.writestr(info("lib/a.py"), b"")
    return out.data


def zip64():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        with z.open(info("big.bin"), "w", force_zip64=True) as f:
            f.write(b"0123456789" * 1000)
    data = out.getvalue()
    # The end record in its 64-bit form as well.
    end = data.rindex(b"PK\5\6")
    count, size, at = struct.unpack_from("<HII", data, end + 10)
    record = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, at)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, end, 1)
    short = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return data[:end] + record + locator + short


def overlapping():
    """Two members whose data is the same bytes, as in a small zip bomb."""
    data = archive(("a", b"A" * 1000), ("b", b"B" * 1000))
    return change(data, central(data, 1) + 42, "I", local(data, 0) + 0)


def unicode_extra(name, utf8, crc=None):
    i = info(name)
    crc = zlib.crc32(name.encode()) if crc is None else crc
    i.extra = struct.pack("<HHBI", 0x7075, 5 + len(utf8), 1, crc) + utf8
    return i


def corpus():
    """Yields (name, bytes, expectation)."""
    plain = archive(("index.py", b"def handler(e, c):\n    return e\n" * 20), ("lib/util.py", b"x = 1\n"))
    ok = "ok"
    yield "plain", plain, ok
    yield "streamed", streamed(), ok
    yield "zip64", zip64(), ok
    yield "stored", archive((info("a", method=zipfile.ZIP_STORED), b"stored")), ok
    yield "comment", archive(("a", b"1"), comment=b"made by hand " * 1000), ok
    yield "empty_file", archive(("a", b"")), ok
    yield "only_directory", archive((info("d/", DIRECTORY), b"")), ok
    yield "dot_paths", archive(("./a", b"1"), ("./d/./b", b"2"), ("d//c", b"3"), (info("./", DIRECTORY), b"")), ok
    yield "duplicate", archive(("d/f", b"first"), ("g", b"other"), ("d/f", b"the last one counts")), ok
    yield "unicode", archive(("d\u00e9j\u00e0/\u65e5\u672c\u8a9e-\U0001f600.txt", b"u"), ("e\u0301.txt", b"nfd")), ok
    yield "unicode_extra", archive((unicode_extra("plain.txt", "\u00fc.txt".encode()), b"u")), ok
    yield "unicode_extra_stale", archive((unicode_extra("plain.txt", b"../evil", crc=1), b"u")), ok
    latin = archive(("caf\u00e9", b"1"))
    yield "not_utf8", latin.replace(b"caf\xc3\xa9", b"caf\xe9\x82"), ok
    yield "modes", archive(
        (info("bootstrap", 0o100755), b"#!/bin/sh\n"), (info("group_x", 0o100674), b""),
        (info("secret", 0o100600), b""), (info("setuid", 0o104755), b""), (info("zero", 0), b""),
        (info("dir/", 0o040700), b""), (info("dir/f", 0o100000), b""), (info("windows", 0o100755, system=0), b"")), ok
    yield "host_ntfs", archive((info("f", 0, system=10), b"1"), (info("d/", 0, system=10), b""), (info("d/g", 0, system=10), b"2")), ok
    yield "host_darwin", archive((info("f", 0o100755, system=19), b"1")), ok
    dos = info("d", 0, system=0)
    dos.external_attr = 0x10
    yield "dos_directory", archive((dos, b""), (info("d/f", 0, system=0), b"1")), ok
    yield "deep_enough", archive(("d/" * 127 + "f", b"1")), ok
    yield "long_name", archive(("n" * 255, b"1")), ok
    yield "compresses_well", archive(("z", b"\0" * 1000000)), ok
    yield "inner_zip", archive((info("inner.zip", method=zipfile.ZIP_STORED), plain)), ok
    yield "links", archive(
        ("lib/real.so.1.2", b"ELF"), link("lib/real.so.1", "real.so.1.2"), link("lib/real.so", "real.so.1"),
        link("lib64", "lib"), link("a/b/up", "../../lib/real.so"), link("through", "lib64/../a/b/up"),
        link("dangling", "nowhere/to/be/found"), link("self_dir", "a/.."),
        link("deflated", "lib/real.so.1.2", zipfile.ZIP_DEFLATED), link("slashes", "lib//./real.so")), ok
    yield "links_chain", archive(("f", b"1"), *[link(f"l{i:02}", f"l{i - 1:02}" if i else "f") for i in range(39)]), ok

    for name in ("../evil", "a/../../evil", "..", "a/..", "a/../b", "d/../../../../../../etc/cron.d/x"):
        yield "slip_" + name.replace("/", "_").replace(".", "-"), archive((name, b"x")), "'..' in its path"
    yield "slip_absolute", archive(("/etc/passwd", b"x")), "an absolute path"
    yield "slip_absolute_2", archive(("//etc/passwd", b"x")), "an absolute path"
    yield "slip_backslash", archive(("..\\..\\evil", b"x")), "a backslash"
    yield "slip_drive", archive(("C:\\evil", b"x")), "a backslash"
    yield "slip_unicode_extra", archive((unicode_extra("plain.txt", b"../evil"), b"u")), "'..' in its path"
    yield "nul", archive(("good.py", b"x")).replace(b"good.py", b"go\0d.py"), "a NUL byte"
    yield "root_file", archive((".", b"x")), "no name"
    yield "long_name_256", archive(("n" * 256, b"1")), "its name is too long"
    yield "long_path", archive(("/".join(["n" * 200] * 11), b"1")), "its name is too long"
    yield "too_deep", archive(("d/" * 128 + "f", b"1")), "too many levels"
    yield "file_under_file", archive(("a", b"1"), ("a/b", b"2")), "no directory"
    yield "dir_over_file", archive(("a", b"1"), (info("a/", DIRECTORY), b"")), "file and directory"
    yield "file_over_dir", archive(("a/b", b"1"), ("a", b"2")), "file and directory"
    yield "link_over_dir", archive(("a/b", b"1"), link("a", "/tmp")), "file and directory"
    yield "write_through_link", archive(link("a", "b"), ("b/c", b"1"), ("a/d", b"2")), "no directory"
    for name, target in (("absolute", "/etc/passwd"), ("up", ".."), ("up_2", "a/../../x"), ("up_3", "../../../etc"),
                         ("missing_up", "nowhere/../../x"), ("dot", "./.././x")):
        want = "an absolute symbolic link" if name == "absolute" else "leaves the package"
        yield "link_" + name, archive(link("l", target)), want
        yield "link_" + name + "_deflated", archive(link("l", target, zipfile.ZIP_DEFLATED)), want
    yield "link_two_steps", archive(("d/e/f", b"1"), link("d/up", "../.."), link("x", "d/up/x")), "leaves the package"
    yield "link_by_link", archive(("d/e/f", b"1"), link("a", "d/e"), link("b", "a/../../../x")), "leaves the package"
    yield "link_circle", archive(link("a", "b"), link("b", "a")), "circle"
    yield "link_self", archive(link("a", "a")), "circle"
    yield "link_through_dangling", archive(link("a", "nowhere"), link("b", "a/../x")), "dangling"
    yield "link_empty", archive(link("a", "")), "impossible length"
    yield "link_long", archive(link("a", "x/" * 1000)), "impossible length"
    yield "link_nul", archive(link("a", "b\0c")), "NUL byte in its target"
    yield "link_slash", archive((info("l/", LINK, method=zipfile.ZIP_STORED), b"x")), "directory's name"
    broken = archive(link("a", "target"))
    yield "link_checksum", broken.replace(b"target", b"tarjet"), "bad checksum"
    for name, mode in (("fifo", 0o010644), ("char", 0o020644), ("block", 0o060644), ("socket", 0o140644)):
        yield name, archive((info("x", mode), b"")), "neither file, directory nor"
    yield "directory_with_content", archive((info("d/", DIRECTORY), b"content")), "a directory with content"

    yield "empty", b"", "Uploaded file must be a non-empty zip"
    yield "empty_zip", archive(), "Uploaded file must be a non-empty zip"
    yield "text", b"this is not a zip at all\n" * 10, NOT_A_ZIP
    yield "tiny", b"PK", NOT_A_ZIP
    yield "only_end", b"PK\5\6" + b"\xff" * 18, NOT_A_ZIP
    yield "tar", b"\0" * 10240, NOT_A_ZIP
    yield "trailing_rubbish", plain + b"\n", NOT_A_ZIP
    yield "prefixed", b"#!/bin/sh\n" + plain, NOT_A_ZIP
    yield "count_too_high", change(change(plain, plain.rindex(b"PK\5\6") + 8, "H", 3), plain.rindex(b"PK\5\6") + 10, "H", 3), NOT_A_ZIP
    yield "count_too_low", change(change(plain, plain.rindex(b"PK\5\6") + 8, "H", 1), plain.rindex(b"PK\5\6") + 10, "H", 1), NOT_A_ZIP
    yield "two_disks", change(plain, plain.rindex(b"PK\5\6") + 4, "H", 1), NOT_A_ZIP
    z64 = zip64()
    yield "zip64_lies", change(z64, z64.rindex(b"PK\6\6") + 48, "Q", 1 << 40), NOT_A_ZIP
    yield "zip64_locator_far", change(z64, z64.rindex(b"PK\6\7") + 8, "Q", (1 << 64) - 8), NOT_A_ZIP
    yield "encrypted", change(change(plain, central(plain) + 8, "H", 1), local(plain) + 6, "H", 1), "encrypted"
    yield "encrypted_local_only", change(plain, local(plain) + 6, "H", 1), "headers disagree"
    yield "encrypted_strong", change(plain, central(plain) + 8, "H", 64), "encrypted"
    yield "bzip2", archive((info("a", method=zipfile.ZIP_BZIP2), b"x" * 100)), "another method"
    yield "lzma", archive((info("a", method=zipfile.ZIP_LZMA), b"x" * 100)), "another method"
    yield "overlapping", overlapping(), "disagree"
    twice = archive(("a", b"A" * 1000), ("a", b"A" * 1000))
    yield "same_bytes_twice", change(twice, central(twice, 1) + 42, "I", 0), "overlaps"
    yield "local_name_differs", plain.replace(b"index.py", b"index.px", 1), "headers disagree"
    yield "local_offset_wild", change(plain, central(plain) + 42, "I", 0x7FFFFFFF), "no local header"
    yield "packed_size_wild", change(plain, central(plain) + 20, "I", 0x7FFFFFF0), "truncated"
    size = struct.unpack_from("<I", plain, central(plain) + 24)[0]
    for name, lie, want in (("small", size - 1, "larger than its header"), ("none", 0, "larger than its header"),
                            ("large", size + 1, "")):
        lying = change(change(plain, central(plain) + 24, "I", lie), local(plain) + 22, "I", lie)
        yield "size_lies_" + name, lying, want or NOT_A_ZIP
        yield "size_lies_central_" + name, change(plain, central(plain) + 24, "I", lie), "headers disagree"
        s = streamed()
        yield "size_lies_streamed_" + name, change(s, central(s) + 24, "I", 3000 + lie - size), want or NOT_A_ZIP
    stored = archive((info("a", method=zipfile.ZIP_STORED), b"abcdef"))
    yield "stored_damaged", stored.replace(b"abcdef", b"abcdeg"), "bad checksum"
    yield "stored_sizes_differ", change(stored, central(stored) + 20, "I", 5), "sizes disagree"
    crc = change(change(plain, central(plain) + 16, "I", 1), local(plain) + 14, "I", 1)
    yield "checksum", crc, "bad checksum"
    body = local(plain) + 30 + len("index.py") + 5
    yield "damaged_stream", plain[:body] + b"\xff\xff\xff" + plain[body + 3:], NOT_A_ZIP
    # Limits of packages_test.c: 2,000,000 bytes unzipped, 1,000 files.
    yield "bomb", archive(("zeros", b"\0" * 100000000)), "Unzipped size must be smaller than 2000000 bytes"
    yield "bomb_in_parts", archive(*[(f"z{i}", b"\0" * 300000) for i in range(7)]), "Unzipped size must be"
    data = archive(("zeros", b"\0" * 100000000))
    yield "bomb_lying", change(change(data, central(data) + 24, "I", 5), local(data) + 22, "I", 5), "larger than its header"
    yield "at_the_limit", archive(("a", b"\0" * 1999999), ("b", b"1")), ok
    yield "over_the_limit", archive(("a", b"\0" * 1999999), ("b", b"12")), "Unzipped size must be"
    yield "many_files", archive(*[(f"f{i}", b"") for i in range(1000)]), ok
    yield "too_many_files", archive(*[(f"f{i}", b"") for i in range(1001)]), "at most 1000 files"
    yield "too_many_directories", archive(*[(f"{i}/" * 11 + "f", b"") for i in range(100)]), "at most 1000 files"
    yield "too_large", archive((info("r", method=zipfile.ZIP_STORED), b"r" * 1100000)), "Zip file must be smaller than 1000000 bytes"


def main():
    warnings.simplefilter("ignore")  # it tells us that names are there twice
    out = sys.argv[1]
    os.makedirs(out, exist_ok=True)
    with open(os.path.join(out, "manifest"), "w", encoding="utf-8") as manifest:
        for name, data, want in corpus():
            with open(os.path.join(out, name + ".zip"), "wb") as f:
                f.write(data)
            manifest.write(f"{name}\t{want}\n")


if __name__ == "__main__":
    main()
