"""Write the hand sheets as PDF files for the book:  python tools/make_sheets.py [--check]

sheet_{blank,half,key}_{a4,letter}.pdf and counting_{blank,key}_{a4,letter}.pdf. --check changes nothing and fails if a
file is stale (for CI); it compares what the files hold, unpacked, since zlib packs the same content differently from
build to build.
"""

import argparse
import re
import sys
import zlib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # so that it runs in a plain checkout too

from ditcourse import byhand  # noqa: E402
from ditcourse.figures import counting_paper, paper  # noqa: E402

OUTPUT = ROOT / "site_extra" / "_static" / "sheets"
STREAM = re.compile(rb"(?<=\nstream\n).*?(?=\nendstream)", re.DOTALL)
# Lengths of streams, and where the objects start.
PLACES = re.compile(rb"/Length \d+(?: 0 R)?|\d+ 0 obj\n\d+\nendobj\n|xref\n.*", re.DOTALL)


def content(data):
    """Everything in a PDF that does not depend on how its streams were packed."""
    streams = []
    for packed in STREAM.findall(data):
        try:
            streams.append(zlib.decompress(packed))
        except zlib.error:  # not packed at all
            streams.append(packed)
    return PLACES.sub(b"", STREAM.sub(b"", data)), streams


def files():
    """Every file: name -> bytes."""
    exercise, counting = byhand.load(), byhand.new_counting(0)
    found = {}
    for size in paper.PAPERS:
        for kind in paper.KINDS:
            found[f"sheet_{kind}_{size}.pdf"] = paper.sheet_bytes(exercise, kind, size)
        for kind in counting_paper.KINDS:
            found[f"counting_{kind}_{size}.pdf"] = counting_paper.counting_bytes(counting, kind, size)
    return found


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a sheet is stale")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="another folder")
    options = parser.parse_args(arguments)
    stale = 0
    for name, data in files().items():
        path = options.output / name
        if path.is_file() and content(path.read_bytes()) == content(data):
            continue
        stale += 1
        if options.check:
            print(f"{path}: not up to date; run: python tools/make_sheets.py")
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            print(f"wrote {path}")
    return 1 if options.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
