"""Write what the sheets in the page need: parts, slips, steps, and the givens of every numbered sheet.

    python tools/sheet_data.py            write site_extra/_static/sheet/data.js
    python tools/sheet_data.py --check    change nothing; fail if the file is not up to date
"""

import argparse
import dataclasses
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from ditcourse import byhand  # noqa: E402
from ditcourse.check import forms  # noqa: E402
from tools.generate_sheet import AFTER, FORMULA  # noqa: E402

OUTPUT = ROOT / "site_extra" / "_static" / "sheet" / "data.js"
FORMS = ("sora", "backwards", "counting", "step", "patches", "look", "steer", "block", "learn", "squeeze")
NUMBERS = 200  # sheets besides number 0, which is the one of chapter 1


def text():
    """The whole file: one assignment, so that it loads from a disk too, where fetch does not work."""
    data = {
        "forms": {name: form(name) for name in FORMS},
        "steps": steps(),
        "instances": instances("sora"),
    }  # fmt: skip
    lines = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace('},"', '},\n"')
    return f"// made by tools/sheet_data.py; do not edit\nwindow.ditcourseSheets = {lines};\n"


def steps():
    """{key: label, name, meaning, formula, and the formula after the update} of the steps of all sheets."""
    found = {
        step.key: {"label": step.label, "name": step.name, "meaning": step.meaning,
                   "formula": FORMULA.get(step.key, ""), "after": AFTER.get(step.key, FORMULA.get(step.key, ""))}
        for step in byhand.STEPS
    }  # fmt: skip
    for name in FORMS:
        for key, step in forms.read_form(name).get("steps", {}).items():
            assert key not in found, f"two steps are called {key!r}"
            found[key] = step | {"label": f"[{step['label']}]"}
    return found


def form(name):
    """A sheet's title, givens and parts, with every slip written out."""
    whole = forms.read_form(name)
    parts = [
        {key: value for key, value in dataclasses.asdict(part).items() if value or key in ("hints", "slips")}
        for part in forms.parts_of(name).values()
    ]
    for part in parts:
        part["slips"] = [{key: value for key, value in slip.items() if value is not False} for slip in part["slips"]]
    own = {} if "of" in whole or name == "sora" else {"instances": instances(name)}
    return whole | {"parts": parts} | own


def instances(name):
    """What is printed on every numbered sheet of this form."""
    return {number: plain(forms.values_of(name, number)) for number in range(NUMBERS + 1)}


def plain(values):
    """{name: matrix} with whole numbers as such."""
    return {
        name: [[int(x) if x == int(x) else float(x) for x in row] for row in value] for name, value in values.items()
    }


def main(arguments=None):
    parser = argparse.ArgumentParser(description="Write the data of the sheets in the page.")
    parser.add_argument("--check", action="store_true", help="change nothing; fail if the file is stale")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="another file")
    options = parser.parse_args(arguments)
    wanted = text().encode("utf-8")
    if options.output.is_file() and options.output.read_bytes() == wanted:
        return 0
    if options.check:
        print(f"{options.output}: not up to date; run: python tools/sheet_data.py")
        return 1
    options.output.write_bytes(wanted)
    print(f"wrote {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
