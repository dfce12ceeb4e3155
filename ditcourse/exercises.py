"""Blank templates from solved notebooks, and newer templates merged into a learner's notebook.

A notebook here is the plain dictionary of its JSON, so that nothing but the standard library is needed.

    blank(solution)      -> the template: solutions taken out, outputs cleared, every cell marked as pristine
    merge(mine, newer)   -> the newer template with everything that the learner wrote still in it
    update(MINE, NEWER)  -> the same for two files; what `ditcourse exercises update` runs

Each template cell carries `metadata.ditcourse = {"cell": its id, "sha": hash of its source}`. A cell whose
source no longer has that hash is the learner's. Two marks take a solution out of a solved notebook:

    Z = L + noise  # SOLUTION               becomes   Z = ...
    X = [[7, 1], [0, 2]]  # SOLUTION        becomes   X = [[..., ...], [..., ...]]    (over several lines too:
                                                      the mark stands on the last of them)

    ### BEGIN SOLUTION
    return scale * Z + shift                becomes   ...    (at the same indent)
    ### END SOLUTION

and a cell tagged `solution` is left out.
"""

import ast
import contextlib
import copy
import hashlib
import json
import os
import re
import tempfile
from pathlib import Path

BEGIN, END, LINE = "### BEGIN SOLUTION", "### END SOLUTION", "# SOLUTION"
_MARK = re.compile(
    r"(?i:#[# ]*\b(begin|end|start|stop)?[ _-]*solutions?\b)|#+ ?(BEGIN|END)\b"
)  # also misspelt ones
_TEXT_MARK = re.compile(r"### (BEGIN|END) SOLUTION|# SOLUTION\b")
_HEADING = re.compile(r"^#+\s*exercise\b.*$", re.IGNORECASE | re.MULTILINE)
_ID = re.compile(r"^## Exercise (\d+\.\d+): ")
_COLAB = re.compile(r"(https://colab\.research\.google\.com/github/[^\s)]+/)solutions(/[^\s)/]+\.ipynb)")


class BadNotebook(ValueError):
    """A notebook that cannot be used; the text names each fault with its cell and says how to mend it."""


# ---- from solution to template ----


def blank(solution, specs=None):
    """The blank template of a solved notebook. Raises BadNotebook with every fault that it finds.

    specs  {exercise id: Exercise}; all the exercises of the course if left out
    """
    if specs is None:
        from ditcourse.check import all_exercises

        specs = all_exercises()
    faults, cells, seen = [], [], set()
    exercises = _Exercises(specs, faults)
    for number, cell in enumerate(solution["cells"], start=1):
        at = f"cell {number}"
        source = text_of(cell)
        cell_id = cell.get("id")
        if not cell_id or cell_id in seen:
            faults.append(
                f"{at}: its id is {'missing' if not cell_id else 'used twice'}; every cell needs its own."
            )
        seen.add(cell_id)
        tags = cell.get("metadata", {}).get("tags", [])
        if "solution" in tags:
            if re.search(r"\bcheck\(", source):
                faults.append(
                    f"{at}: a cell tagged `solution` is left out, and with it the check call inside."
                )
            continue
        if cell["cell_type"] == "code":
            source, blanks = _take_out(source, at, faults)
            exercises.code(source, blanks, at)
        elif _TEXT_MARK.search(source):
            faults.append(
                f"{at}: a solution mark in a Markdown cell does nothing; tag the cell `solution` instead."
            )
        else:
            source = _COLAB.sub(r"\1exercises\2", source)
            exercises.text(source, at)
        cells.append(_pristine(cell, source))
    exercises.end()
    if not exercises.found:
        faults.append("there is no exercise in it (no Markdown cell with a line `## Exercise 1.3: ...`).")
    if faults:
        raise BadNotebook("\n".join(faults))
    metadata = {
        key: solution["metadata"][key] for key in ("accelerator", "colab") if key in solution["metadata"]
    }
    metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata["language_info"] = {"name": "python"}
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def _pristine(cell, source):
    metadata = {key: value for key, value in cell.get("metadata", {}).items() if key != "execution"}
    metadata["ditcourse"] = {"cell": cell.get("id"), "sha": sha(source)}
    new = {
        "cell_type": cell["cell_type"],
        "id": cell.get("id"),
        "metadata": copy.deepcopy(metadata),
        "source": source,
    }
    if cell.get("attachments"):
        new["attachments"] = copy.deepcopy(cell["attachments"])
    if cell["cell_type"] == "code":
        new.update(outputs=[], execution_count=None)
    return new


def _take_out(source, at, faults):
    """A code cell's source without its solutions, and how many blanks that made."""
    lines, blanks, begun, faults_before = [], 0, None, len(faults)
    for number, line in enumerate(source.split("\n"), start=1):
        here, mark = f"{at}, line {number}", line.strip()
        if mark == BEGIN:
            if begun:
                faults.append(
                    f"{here}: `{BEGIN}` inside another, begun in line {begun}; blocks cannot be nested."
                )
            else:
                lines.append(line[: len(line) - len(line.lstrip())] + "...")
                blanks += 1
            begun = number
        elif mark == END:
            if not begun:
                faults.append(f"{here}: `{END}` without a `{BEGIN}` before it.")
            elif begun == number - 1:
                faults.append(
                    f"{here}: the solution is empty, there is nothing between `{BEGIN}` and `{END}`."
                )
            begun = None
        elif begun:
            if _MARK.search(line):
                faults.append(
                    f"{here}: a solution mark inside a block, begun in line {begun}; one of them is enough."
                )
        elif re.search(rf"\S.*[^#]{LINE}$", line.rstrip()):
            above = _lines_above(lines, line)
            statement = "\n".join([*lines[len(lines) - above :], line])
            lines[len(lines) - above :] = _blank_statement(statement, here, faults).split("\n")
            blanks += 1
        elif _MARK.search(line):
            faults.append(
                f"{here}: unknown mark `{mark}`; the marks are `{BEGIN}`, `{END}`, each alone on its line, "
                f"and `{LINE}` after an assignment."
            )
        else:
            lines.append(line)
    if begun:
        faults.append(f"{at}, line {begun}: `{BEGIN}` is never closed; `{END}` is missing.")
    source = "\n".join(lines)
    if len(faults) == faults_before:
        _parse(source, at, faults, "once the solutions are out, this cell")
    return source, blanks


def _lines_above(lines, line):
    """How many lines right above a marked line belong to the statement that ends with it."""
    for above in range(len(lines) + 1):
        try:
            ast.parse("\n".join([*lines[len(lines) - above :], line]).strip())
            return above
        except (SyntaxError, ValueError):
            continue
    return 0


def _blank_statement(marked, here, faults):
    """`    a, b = f(x)  # SOLUTION` -> `    a, b = ..., ...`; a list of numbers keeps its shape."""
    code = marked.rstrip()[: -len(LINE)].rstrip()
    indent = code[: len(code) - len(code.lstrip())]
    code = code.strip()
    try:
        (statement,) = ast.parse(code).body
    except (SyntaxError, ValueError):
        statement = None
    if not isinstance(statement, (ast.Assign, ast.AnnAssign)) or statement.value is None:
        faults.append(
            f"{here}: `{LINE}` is on a line that is not an assignment; put `{BEGIN}` and `{END}` around it."
        )
        return marked
    target = statement.targets[-1] if isinstance(statement, ast.Assign) else statement.target
    value, code = statement.value, code.encode()  # places in the tree count bytes
    starts = [0, *(i + 1 for i, byte in enumerate(code) if byte == ord("\n"))]
    if isinstance(target, (ast.Tuple, ast.List)):
        if any(not isinstance(part, (ast.Name, ast.Attribute, ast.Subscript)) for part in target.elts):
            faults.append(
                f"{here}: `{LINE}` cannot blank this unpacking; put `{BEGIN}` and `{END}` around it."
            )
        dots = ", ".join(["..."] * len(target.elts))
    elif cells := _cells(value):
        for cell in reversed(cells):
            begin = starts[cell.lineno - 1] + cell.col_offset
            code = code[:begin] + b"..." + code[starts[cell.end_lineno - 1] + cell.end_col_offset :]
        return indent + code.decode()
    else:
        dots = "..."
    before_value = code[: starts[value.lineno - 1] + value.col_offset].decode()
    return indent + before_value[: before_value.rindex("=") + 1] + " " + dots


def _cells(value):
    """The numbers and texts written in nested lists, or in `np.array(lists)`; [] if there is anything else."""
    if isinstance(value, ast.Call) and ast.unparse(value.func) == "np.array":
        if len(value.args) != 1 or value.keywords:
            return []
        value = value.args[0]
    if not isinstance(value, ast.List):
        return []
    cells = []
    for part in value.elts:
        found = _cells(part) if isinstance(part, ast.List) else [part] * _is_constant(part)
        if not found:
            return []
        cells += found
    return cells


def _is_constant(node):
    """-2, 1/2, "G[2,2]": is it written down in full?"""
    return all(
        isinstance(part, (ast.Constant, ast.UnaryOp, ast.BinOp, ast.unaryop, ast.operator))
        for part in ast.walk(node)
    )


def _parse(source, at, faults, what):
    """The syntax tree of a code cell, without its `%` and `!` lines; None if it is not Python."""
    if source.lstrip().startswith("%%"):
        return None
    plain = re.sub(r"^(\s*)[%!].*$", r"\1pass", source, flags=re.MULTILINE)
    try:
        return ast.parse(plain)
    except (SyntaxError, ValueError) as error:
        faults.append(
            f"{at}, line {getattr(error, 'lineno', 1)}: {what} is not valid Python ({error.args[0]})."
        )
        return None


class _Exercises:
    """Follows the cells of a notebook: heading, facts, blanks and check of each exercise, in this order."""

    def __init__(self, specs, faults):
        self.specs, self.faults = specs, faults
        self.found = []
        self.open = None  # the exercise that we are in: {"id", "at", "blanks", "checked"}

    def text(self, source, at):
        for heading in _HEADING.findall(source):
            self.end()
            match = _ID.match(heading)
            if not match:
                self.faults.append(f"{at}: `{heading}` is not of the form `## Exercise 1.3: Title`.")
                continue
            self._begin(match.group(1), heading.rstrip(), source, at)

    def _begin(self, id, heading, source, at):
        self.open = {"id": id, "at": at, "blanks": 0, "checked": False}
        if id in self.found:
            self.faults.append(f"{at}: exercise {id} has a second heading.")
        self.found.append(id)
        spec = self.specs.get(id)
        if spec is None:
            chapter = id.split(".")[0].zfill(2)
            self.faults.append(f"{at}: exercise {id} has no spec in ditcourse/check/chapters/ch{chapter}.py.")
            return
        if heading != spec.heading:
            self.faults.append(f"{at}: the heading `{heading}` differs from the spec's `{spec.heading}`.")
        facts = [line.strip() for line in source.split("\n") if line.strip().startswith("Goal:")]
        if not facts:
            self.faults.append(
                f"{at}: the line `{spec.facts}` is missing under the heading of exercise {id}."
            )
        elif facts != [spec.facts]:
            self.faults.append(f"{at}: the line `{facts[0]}` differs from the spec's `{spec.facts}`.")

    def code(self, source, blanks, at):
        tree = _parse(source, at, [], "")
        calls = [node for node in ast.walk(tree) if _is_check(node)] if tree else []
        if blanks and not self.open:
            self.faults.append(
                f"{at}: a blank with no `## Exercise ...` heading above it; it would never be checked."
            )
        elif blanks:
            if self.open["checked"]:
                self.faults.append(
                    f"{at}: a blank below the check call of exercise {self.open['id']}; put it above."
                )
            self.open["blanks"] += blanks
        for call in calls:
            id = call.args[0].value if call.args and isinstance(call.args[0], ast.Constant) else None
            if not self.open or id != self.open["id"]:
                under = f"exercise {self.open['id']}" if self.open else "no exercise"
                self.faults.append(f"{at}: check({id!r}, ...) stands under {under}.")
            else:
                self.open["checked"] = True

    def end(self):
        """Called at the next exercise's heading and at the end of the notebook."""
        if self.open:
            id, at = self.open["id"], self.open["at"]
            if not self.open["blanks"]:
                self.faults.append(
                    f"{at}: there is nothing to fill in under exercise {id}; mark the solution."
                )
            if not self.open["checked"]:
                self.faults.append(f'{at}: check("{id}", ...) is missing under exercise {id}.')
        self.open = None


def _is_check(node):
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "check"


# ---- from newer template to learner's notebook ----


def merge(mine, newer, notes=None):
    """The newer template with the learner's work in it. Nothing that the learner wrote is lost.

    Cells of the template that the learner changed are kept, with outputs; the others become those of the
    newer template; the learner's own cells stay below the cell that they stood below.
    notes  a list to which a line is added for each thing that a learner would want to know
    """
    notes = [] if notes is None else notes
    if not all(_mark(cell).get("sha") for cell in newer["cells"]):
        raise BadNotebook("the newer notebook is not a blank template; take the one from exercises/.")
    theirs = {_key(cell): cell for cell in newer["cells"]}
    kept, own = (
        {},
        [],
    )  # the learner's version of a template cell; the others, each with the cell it stands below
    anchor = None
    for cell in mine["cells"]:
        key = _key(cell, theirs)
        if key in theirs and key not in kept:
            kept[key] = cell
            anchor = key
        elif key in theirs or not _is_pristine(cell):  # a copy of a template cell is the learner's too
            own.append((anchor, cell))
            if _mark(cell) and key not in theirs:
                notes.append(f"kept your cell `{_first_line(cell)}`, which the newer template no longer has.")
        else:
            notes.append(f"left out the cell `{_first_line(cell)}`, which the newer template no longer has.")
    if mine["cells"] and newer["cells"] and not kept:
        raise BadNotebook("the two notebooks have no cell in common; are they the same chapter?")
    cells = [_own(cell) for anchor, cell in own if anchor is None]
    for key, cell in theirs.items():
        cells.append(_choose(kept.get(key), cell, notes))
        cells += [_own(cell) for anchor, cell in own if anchor == key]
    minor = max(mine.get("nbformat_minor", 0), newer["nbformat_minor"])
    metadata = {**copy.deepcopy(newer["metadata"]), **copy.deepcopy(mine.get("metadata", {}))}
    return {"cells": _with_ids(cells), "metadata": metadata, "nbformat": 4, "nbformat_minor": minor}


def _choose(mine, newer, notes):
    """The learner's version of a cell or the newer template's."""
    if mine is None:
        notes.append(f"new cell `{_first_line(newer)}`.")
        return copy.deepcopy(newer)
    same_kind = mine["cell_type"] == newer["cell_type"]
    if same_kind and sha(text_of(mine)) == sha(text_of(newer)):
        chosen = copy.deepcopy(newer)  # the same text: newer metadata, the learner's outputs
        chosen.update(
            {key: copy.deepcopy(mine[key]) for key in ("outputs", "execution_count") if key in mine}
        )
        return chosen
    if same_kind and _is_pristine(mine):
        notes.append(f"updated the cell `{_first_line(newer)}`.")
        return copy.deepcopy(newer)
    if _mark(mine).get("sha") != _mark(newer).get("sha"):
        notes.append(f"kept your cell `{_first_line(mine)}`; the template's has changed, compare the two.")
    return {**copy.deepcopy(mine), "source": text_of(mine)}


def _own(cell):
    """A learner's own cell. The mark goes (copying or splitting a template cell copies its mark)."""
    cell = {**copy.deepcopy(cell), "source": text_of(cell)}
    cell.get("metadata", {}).pop("ditcourse", None)
    return cell


def _key(cell, known=None):
    """What identifies a template cell: its mark; if a tool dropped that, its id; then its very text."""
    key = _mark(cell).get("cell")
    if key or known is None:
        return key or cell.get("id")
    if cell.get("id") in known:
        return cell["id"]
    return next((k for k, other in known.items() if sha(text_of(other)) == sha(text_of(cell))), None)


def _mark(cell):
    mark = cell.get("metadata", {}).get("ditcourse")
    return mark if isinstance(mark, dict) else {}


def _is_pristine(cell):
    return _mark(cell).get("sha") == sha(text_of(cell))


def has_work(notebook):
    """Has a learner changed, added or run anything in this notebook?"""
    return any(not _is_pristine(cell) or cell.get("outputs") for cell in notebook["cells"])


def _with_ids(cells):
    """Notebooks from Colab come without cell ids; give each cell one of its own, the same on every run."""
    used = set()
    for position, cell in enumerate(cells):
        cell_id = cell.get("id")
        while not cell_id or cell_id in used:
            cell_id = sha(f"{cell_id} {position} {text_of(cell)}")
        cell["id"] = cell_id
        used.add(cell_id)
    return cells


def _first_line(cell):
    line = text_of(cell).strip().split("\n")[0]
    return line if len(line) <= 60 else line[:57] + "..."


# ---- files ----


def update(mine_path, newer_path):
    """Merge the newer template into the learner's file, in place. Returns lines that say what was done."""
    notes = []
    merged = merge(read(mine_path), read(newer_path), notes)
    changed = write(mine_path, merged)
    return [*notes, f"{mine_path}: {'updated, your work is kept.' if changed else 'already up to date.'}"]


def read(path):
    """The notebook in a file."""
    try:
        notebook = json.loads(Path(path).read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise BadNotebook(f"{path} is not a notebook: {error}") from None
    if (
        not isinstance(notebook, dict)
        or notebook.get("nbformat") != 4
        or not isinstance(notebook.get("cells"), list)
    ):
        raise BadNotebook(f"{path} is not a notebook of format 4; open it in Jupyter and save it.")
    notebook.setdefault("metadata", {})
    return notebook


def write(path, notebook):
    """Write a notebook, always in the same bytes, all or nothing. Returns whether the file changed."""
    path, data = Path(path).resolve(), dump(notebook)
    if path.exists() and path.read_bytes() == data:
        return False
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, path.stat().st_mode & 0o777 if path.exists() else 0o644)
        os.replace(temporary, path)  # the old file is there until this moment, the new one from it
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
    return True


def dump(notebook):
    """A notebook's bytes: sorted keys, LF, the source in lines; nothing in it depends on when or where."""
    notebook = {
        **notebook,
        "cells": [{**c, "source": text_of(c).splitlines(keepends=True)} for c in notebook["cells"]],
    }
    return (json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode("utf-8")


def text_of(cell):
    """A cell's source as one text with LF, however the file holds it."""
    source = cell.get("source", "")
    source = source if isinstance(source, str) else "".join(source)
    return source.replace("\r\n", "\n").replace("\r", "\n")


def sha(text):
    """A short hash of a cell's source; spaces at its end do not count."""
    return hashlib.sha256(text.rstrip().encode("utf-8", "surrogatepass")).hexdigest()[:16]
