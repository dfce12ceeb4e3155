"""Marks a folder of submitted notebooks and sheet links: a row for each exercise, with its first slip.

    rows, skipped = grade("submissions")          # what `ditcourse grade submissions` runs
    write(rows, "marks.csv")

Nothing submitted is executed, imported or rendered: a notebook is parsed, and a small reader follows its plain
statements (`order = [3, 1]`, `sheet.L = [[...]]`, `check("1.2", sheet)`), with limits on all sizes. An answer that only
running can tell is "not run". With `run=True` such notebooks are executed, each in a process of its own with limits on
time and memory. Those are no prison: the code has the rights of whoever runs it, and it can fake its verdicts. Only
verdicts that reading could not give are taken from it.
"""

import ast
import contextlib
import copy
import csv
import json
import linecache
import operator
import os
import re
import signal
import stat
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np

from ditcourse import check as checks
from ditcourse.check import Sheet, Verdict, all_exercises, engine
from ditcourse.check.board import judge_part
from ditcourse.check.forms import parts_of
from ditcourse.check.reading import Unreadable, describe, is_blank, where
from ditcourse.check.sheet import PAGES, SheetPart
from ditcourse.exercises import text_of

FORMS = ("sora", *PAGES.values())  # of sheets
SUFFIXES = {".ipynb": "notebook", ".txt": "link", ".md": "link", ".url": "link", ".webloc": "link"}
STATES = ("right", "wrong", "not done", "not run", "unreadable")
MB = 2**20
LARGEST_NOTEBOOK, LARGEST_LINKS, LARGEST_MEMORY = 10 * MB, MB, 16_384 * MB
LARGEST_CODE, LONGEST_TEXT, LONGEST_WORD, LONGEST_LINE, LONGEST_CELL = 300_000, 4000, 120, 20_000, 100  # characters
MOST_STEPS, PER_CHECK, PER_SHEET, MOST_VALUES, MOST_CELLS, DEEPEST = 100_000, 200, 2000, 5000, 2000, 60
LARGEST_NUMBER = 2**53
ARRAYS = ("np.array", "np.asarray", "numpy.array", "torch.tensor")
HARMLESS = ("print", "show", "display", "len", "repr", "str", "type")  # they do not change what they are given
ARITHMETIC = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
              ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.Pow: operator.pow}  # fmt: skip
_HEADING = re.compile(r"^## Exercise (\d{1,2}\.\d{1,2}):", re.MULTILINE)


@dataclass
class Row:
    """A line of the CSV: an exercise of a file; or, where `exercise` is "all", the file."""

    file: str
    kind: str  # "notebook" or "link"
    exercise: str = "all"
    state: str = "unreadable"  # one of STATES; of a file "3 of 13 right"
    sheet: int | str = ""  # the sheet's number; 0 is the course's own
    right: int | str = ""  # so many cells of a sheet; of a file so many exercises
    wrong: int | str = ""
    left: int | str = ""
    slip: str = ""
    where: str = ""
    message: str = ""


def grade(folder, run=False, timeout=120):
    """([Row], [name of each file that is no submission]) of a folder, sorted by name.

    run      execute the notebooks with answers that reading cannot tell, each for at most `timeout` seconds
    """
    root, rows, skipped = Path(folder).resolve(), [], []
    if not root.is_dir():
        raise NotADirectoryError(f"{folder}: there is no such folder.")
    all_exercises()  # a fault in loading them is ours, not that of a file
    for name, path, problem in sorted(_files(root), key=lambda found: found[0]):
        kind = SUFFIXES.get(Path(name).suffix.lower(), "")
        try:
            if problem:
                raise Unreadable(problem)
            marks = _notebook(path, run, timeout) if kind == "notebook" else _links(path) if kind else []
        except Unreadable as reason:
            rows.append(Row(name, kind, message=str(reason)))
        except Exception as error:  # noqa: BLE001 (one file never stops the others)
            rows.append(Row(name, kind, message=f"It cannot be read: {describe(error)}."))
        else:
            rows += _rows(name, kind, marks)
            skipped += [] if marks else [name]
    return rows, skipped


def _rows(name, kind, marks):
    """A row for each mark, and one for the file; none without a mark."""
    rows = [Row(name, kind, **mark) for mark in marks]
    if not rows:
        return []
    states = Counter(row.state for row in rows)
    wrong = [row for row in rows if row.slip] or [row for row in rows if row.state == "wrong" or row.where]
    first = (wrong or [Row("", "", "")])[0]
    place = ": ".join(filter(None, (first.exercise, first.where)))
    counts = (states["right"], states["wrong"], len(rows) - states["right"] - states["wrong"])
    message = ", ".join(f"{states[state]} {state}" for state in STATES if states[state])
    total = Row(name, kind, "all", f"{counts[0]} of {len(rows)} right", "", *counts, first.slip, place, message)
    return [*rows, total]


# ---- files ----


def _files(root):
    """(name, path, why it cannot be read or "") of what is in a folder, but for hidden things. No link leads out."""
    problems = []
    for at, folders, names in os.walk(root, onerror=problems.append):
        odd = [name for name in folders if name.lower().endswith(".ipynb") or Path(at, name).is_symlink()]
        folders[:] = [name for name in folders if not name.startswith(".") and name not in odd]
        for path in (Path(at, name) for name in [*odd, *names] if not name.startswith(".")):
            try:
                true, problem = path.resolve(strict=True), ""
                if not true.is_relative_to(root):
                    problem = "It is a link that leads out of the folder."
                elif true.is_dir():
                    problem = "It is a folder."
            except (OSError, RuntimeError) as error:  # a link that leads nowhere, or in a circle
                true, problem = path, f"It cannot be opened: {describe(error)}."
            yield path.relative_to(root).as_posix(), true, problem if path.suffix.lower() in SUFFIXES else ""
    for error in problems:
        yield Path(error.filename).relative_to(root).as_posix(), None, f"It cannot be opened: {describe(error)}."


def _bytes(path, most):
    """What is in a plain file. Unreadable for a pipe or a device (it never waits for one) and above `most` bytes."""
    flags = (getattr(os, flag, 0) for flag in ("O_NONBLOCK", "O_NOFOLLOW", "O_BINARY"))  # not every system has them
    with os.fdopen(os.open(path, os.O_RDONLY | sum(flags)), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise Unreadable("It is not a plain file.")
        data = file.read(most + 1)
    if len(data) > most:
        raise Unreadable(f"It is larger than {most // MB} MB.")
    return data


# ---- an answer ----


def mark(exercise, answer):
    """What the judge of an exercise finds in an answer: fields of a Row, plain texts and numbers."""
    judge = exercise.judge
    finding = engine._judge(judge, answer)
    found = {"exercise": _title(exercise), "state": finding.state, "slip": finding.slip or "", "message": finding.text}
    if not isinstance(judge, SheetPart):
        names = getattr(judge, "names", None) or ()
        part = next((name for name in names if re.search(rf"\bin {re.escape(name)}\b", finding.text, re.I)), "")
        place = where(finding.cell, getattr(judge, "axes", ())) if finding.cell else ""
        return {**found, "where": _joined(part, place)}
    if issubclass(type(answer), Sheet):
        found["sheet"] = answer.seed
    with np.errstate(all="ignore"), contextlib.suppress(Unreadable):
        board, printed = judge._board(None if is_blank(answer) else answer)
        total, left, wrong = 0, 0, []
        for name in judge.names:
            part, report = judge.parts[name], judge_part(board, judge.parts[name])
            cells = 0 if name in printed else (part.shape[0] - part.printed) * part.shape[1]
            total, left = total + cells, left + report.left
            place = part.where(report.wrong[0], board.values) if report.wrong and not report.misshapen else ""
            wrong += [_joined(name, place)] * (cells if report.misshapen else len(report.wrong))
        found |= {"right": max(total - left - len(wrong), 0), "wrong": len(wrong), "left": left}
        found["where"] = wrong[0] if wrong else ""
    return found


def _title(exercise):
    return f"{exercise.id} {exercise.title}"  # with the title, or a spreadsheet takes 1.10 for 1.1


def _joined(*texts):
    return ", ".join(filter(None, texts))


class _Sign:
    """Stands for a value that is not there."""

    def __init__(self, state, says):
        self.state, self.says = state, says


UNKNOWN = _Sign("not run", "The answer is made by code; only running it (--run) can tell.")
UNFINISHED = _Sign("not done", "The function is not finished.")  # there is still a `...` in it


def _sheet(link="", seed=None, half=False, form=None, *_, **__):
    """A Sheet, or the _Sign that says why there is none."""
    if form is not None and form not in FORMS:  # it is going to be part of a file's name
        return _Sign("unreadable", f"There is no sheet of this form; there are {', '.join(FORMS)}.")
    if type(link) is str and any(len(cell) > LONGEST_CELL for cell in re.split("[,;&=]", link.split("#")[-1])):
        return _Sign("unreadable", "The link has a cell that is far too long.")
    try:
        return Sheet(link, seed, bool(half), form)
    except (ValueError, TypeError, RuntimeError) as error:
        return _Sign("unreadable", str(error))


# ---- links ----


def _links(path):
    """Marks for the sheets whose links are in a file; of links to one sheet the last counts. [] if there is none."""
    data, found, seen = _bytes(path, LARGEST_LINKS), {}, 0
    text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8", "replace").replace("&amp;", "&")
    form_of = {part: form for form in FORMS for part in parts_of(form)} | {"seed": "sora", "half": "sora"}
    for line in (line for line in text.splitlines() if "#" in line and len(line) <= LONGEST_LINE):
        for link in re.finditer(r"#([A-Za-z]\w*)=[^\s<>\"'()\[\]#\x00-\x1f\x7f-\x9f\ufffd]*", line):
            page = re.search(r"[\w.-]*$", line[max(link.start() - 100, 0) : link.start()])[0]
            form = next((PAGES[name] for name in PAGES if name in page), form_of.get(link[1]))
            seen += 1 if form else 0
            if seen > MOST_STEPS // PER_SHEET:
                raise Unreadable("There are too many links in it.")
            if form:
                sheet = _sheet(link[0], form=form)
                found[form, getattr(sheet, "seed", link[0])] = sheet
    return sum((_sheet_marks(form, sheet) for (form, _), sheet in found.items()), [])


def _sheet_marks(form, sheet):
    """Marks of a sheet as the answer to the exercise on all of it, or to those on its parts."""
    if type(sheet) is _Sign:
        return [{"exercise": f"sheet {form}", "state": sheet.state, "message": sheet.says}]
    on_it = [e for e in all_exercises().values() if isinstance(e.judge, SheetPart) and e.judge.form == form]
    whole = [e for e in on_it if e.judge.names == tuple(e.judge.parts)]
    return [mark(exercise, sheet) for exercise in whole[:1] or on_it]


# ---- notebooks, read only ----


def _notebook(path, run, timeout):
    """Marks for the exercises of a notebook's chapter."""
    cells, reader = _cells(_bytes(path, LARGEST_NOTEBOOK)), Reader()
    codes = [_plain_python(source) for kind, source in cells if kind == "code"]
    if sum(map(len, codes)) > LARGEST_CODE:
        raise Unreadable(f"There are more than {LARGEST_CODE} characters of code in it.")
    for number, code in enumerate(codes, start=1):
        reader.cell(code, number)
    reader.judge()
    if run and reader.open:
        ran, stopped = _run(codes, timeout)
        for id in reader.open:
            says = f"Running gave no verdict: {stopped or 'the check was not reached.'}"
            reader.marks[id] |= ran.get(id) or {"state": "not run", "message": says}
    headings = [id for kind, source in cells if kind == "markdown" for id in _HEADING.findall(source)]
    chapters = {id.split(".")[0] for id in headings or reader.marks}
    never = {"state": "not done", "message": "There is no check of it in the notebook."}
    wanted = [id for id in reader.known if id in reader.marks or id.split(".")[0] in chapters]
    marks = [reader.marks.get(id) or {"exercise": _title(reader.known[id]), **never} for id in wanted]
    if not marks:
        raise Unreadable("There is no exercise of the course in it.")
    return marks


def _cells(data):
    """[(kind, source)] of a notebook's bytes."""
    try:
        notebook = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"It is not a notebook: {describe(error)}.") from None
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list) or notebook.get("nbformat") != 4:
        raise Unreadable("It is not a notebook of format 4; open it in Jupyter and save it.")
    if len(cells) > MOST_CELLS:
        raise Unreadable(f"There are more than {MOST_CELLS} cells in it.")
    for number, cell in enumerate(cells, start=1):
        source = cell.get("source") if isinstance(cell, dict) else None
        if type(source) is not str and not (type(source) is list and all(type(line) is str for line in source)):
            raise Unreadable(f"It is not a notebook: cell {number} has no text.")
    return [(cell.get("cell_type"), text_of(cell)) for cell in cells]


def _plain_python(source):
    """A code cell without what only Jupyter knows: `%` and `!` lines, `name?`."""
    return re.sub(r"^([ \t]*)(?:[%!?].*|[\w.]+\?\??[ \t]*)$", r"\1pass", source, flags=re.MULTILINE)


class Reader:
    """Follows plain assignments and checks through code cells; what other code may change becomes UNKNOWN.

    names    {name: value}
    answers  {exercise's id: (the answer at its last check, what to add to the message)}
    marks    {exercise's id: the mark of its last check}, complete after `judge`
    open     ids of the marks that running could change
    """

    def __init__(self):
        self.names, self.answers, self.marks, self.open = {}, {}, {}, set()
        self.known = all_exercises()
        self.steps = 0
        self.fault = ""  # a cell since the last check that is not Python

    def cell(self, code, number):
        try:
            with warnings.catch_warnings(action="ignore"):
                statements = ast.parse(code).body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            self.fault = f"Code cell {number} is not Python: {describe(error)}."
            for id in re.findall(r"check\([\"'](\d{1,2}\.\d{1,2})[\"']", code):
                self._note(id, _Sign("unreadable", self.fault))
            return
        for statement in statements:
            self._statement(statement)

    def _statement(self, node):
        match node:
            case ast.Assign(targets=targets, value=value):
                value = self._value(value)
                for target in targets:
                    self._store(target, value)
            case ast.Expr(value=value):
                self._value(value)
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                for alias in aliases:
                    self.names.pop(alias.asname or alias.name.split(".")[0], None)
            case _:
                self._lose(node)

    def _store(self, target, value):
        match target:
            case ast.Name(id=name):
                self.names[name] = value
            case ast.Tuple(elts=parts) if type(value) in (list, tuple) and len(value) == len(parts):
                for part, its in zip(parts, tuple(value), strict=True):
                    self._store(part, its)
            case ast.Attribute(value=ast.Name(id=name), attr=part) if (
                type(self.names.get(name)) is Sheet and len(part) <= LONGEST_WORD
            ):
                with contextlib.suppress(AttributeError):  # no such part: in the notebook the learner was told
                    setattr(self.names[name], part, value)
            case _:
                self._lose(target)

    def _value(self, node, depth=0):
        """The value of an expression, UNKNOWN unless it is plain."""
        self._spend(1)
        match node if depth < DEEPEST else None:
            case ast.Constant(value=value):
                return UNKNOWN if _too_large(value) else value
            case ast.Name(id=name):
                return self.names.get(name, UNKNOWN)
            case ast.List(elts=parts):
                return [self._value(part, depth + 1) for part in parts]
            case ast.Tuple(elts=parts):
                return tuple(self._value(part, depth + 1) for part in parts)
            case ast.Dict(keys=keys, values=values) if _are_plain(keys):
                return {key.value: self._value(value, depth + 1) for key, value in zip(keys, values, strict=True)}
            case ast.UnaryOp(op=ast.USub(), operand=part):
                return _arithmetic(ast.Sub, 0, self._value(part, depth + 1))
            case ast.BinOp(left=left, op=op, right=right):
                return _arithmetic(type(op), self._value(left, depth + 1), self._value(right, depth + 1))
            case ast.Call(func=ast.Name(id="check" | "Sheet" as name)) if name not in self.names:
                args = [self._value(arg, depth + 1) for arg in node.args]
                words = {str(word.arg): self._value(word.value, depth + 1) for word in node.keywords}
                return self._check(*args, **words) if name == "check" else self._sheet(*args, **words)
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=maker), args=[numbers], keywords=[]) if (
                f"{name}.{maker}" in ARRAYS and name not in self.names
            ):
                return self._value(numbers, depth + 1)  # a judge takes a list for an array
            case ast.Call(func=ast.Name(id=name), args=args) if name in HARMLESS:
                for arg in args:
                    self._value(arg, depth + 1)
                return UNKNOWN
            case ast.Call(func=ast.Name(id=name)) if self.names.get(name) is UNFINISHED:
                return UNFINISHED
        self._lose(node)
        return UNKNOWN

    def _lose(self, node):
        """Code that is not followed: what it may change becomes UNKNOWN, and what it checks needs running."""
        nodes = list(ast.walk(node))
        looked_at = {id(n.value) for n in nodes if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Load)}
        for n in nodes:
            match n:
                case ast.Name(id=name, ctx=ast.Load()):
                    _spoil(self.names.get(name), id(n) in looked_at)
                case ast.Name(id=name):
                    self.names[name] = UNKNOWN
                case ast.Call(func=ast.Name(id="check"), args=[ast.Constant(value=str() as exercise), *_]):
                    self._note(exercise, UNKNOWN)
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                    self.names[name] = UNFINISHED if _unfinished(n) else UNKNOWN

    def _sheet(self, *args, **words):
        self._spend(PER_SHEET)
        return UNKNOWN if any(type(x) is _Sign for x in (*args, *words.values())) else _sheet(*args, **words)

    def _check(self, id=None, answer=UNKNOWN, *_, **__):
        self._spend(PER_CHECK)
        exercise = self.known.get(id if type(id) is str else "")
        if exercise and isinstance(exercise.judge, SheetPart) and type(answer) is str and not is_blank(answer):
            answer = self._sheet(answer)  # a pasted link does, too
        sign = _sign_in(answer)
        if exercise and sign:
            self._note(id, sign)
        elif exercise:
            self.open.discard(id)
            self.answers[id] = _as_now(answer), self.fault
        self.fault = ""
        return UNKNOWN

    def judge(self):
        """Judge the answers, each once; that takes longer than reading."""
        for id, (answer, fault) in self.answers.items():
            self.marks[id] = mark(self.known[id], answer)
            if self.marks[id]["state"] == "not done":
                self.marks[id]["message"] = " ".join(filter(None, (self.marks[id]["message"], fault)))

    def _note(self, id, sign):
        """The mark of an answer that is not there."""
        if id in self.known:
            self.answers.pop(id, None)
            self.marks[id] = {"exercise": _title(self.known[id]), "state": sign.state, "message": sign.says}
            (self.open.add if sign in (UNKNOWN, UNFINISHED) else self.open.discard)(id)

    def _spend(self, steps):
        self.steps += steps
        if self.steps > MOST_STEPS:
            raise Unreadable("There is far more in it than in a notebook of the course.")


def _are_plain(keys):
    return len(keys) <= 1000 and all(isinstance(key, ast.Constant) for key in keys)


def _sign_in(answer):
    """The _Sign among an answer's values, UNKNOWN before others; None if all of them are there."""
    todo, signs = [answer], set()
    for _ in range(MOST_VALUES):
        if not todo:
            return UNKNOWN if UNKNOWN in signs else next(iter(signs), None)
        thing = todo.pop()
        inner = thing._written if type(thing) is Sheet else thing
        if type(inner) in (list, tuple, dict):
            todo += list(inner.values() if type(inner) is dict else inner)[:MOST_VALUES]
        elif type(thing) is _Sign:
            signs.add(thing)
        elif type(thing) in (str, bytes) and len(thing) > LONGEST_WORD:
            return _Sign("unreadable", "There is a longer text in it than any answer needs.")
    return _Sign("unreadable", "There are far more numbers in it than any answer needs.")


def _as_now(answer):
    """A copy that later cells do not change."""
    if type(answer) is not Sheet:
        return copy.deepcopy(answer)
    twin = copy.copy(answer)
    vars(twin)["_written"] = copy.deepcopy(answer._written)
    return twin


def _spoil(thing, only_looked_at):
    """This value was used by code that is not followed. Looking at a part of a Sheet does not change it."""
    if type(thing) is list:
        thing[:] = [UNKNOWN]
    elif type(thing) is dict:
        thing["changed"] = UNKNOWN
    elif type(thing) is Sheet and not only_looked_at:
        thing._written.update(dict.fromkeys(parts_of(thing.form), UNKNOWN))


def _arithmetic(operation, a, b):
    """a + b and so on of two numbers; what is not there yet stays so."""
    for missing in (UNKNOWN, UNFINISHED, ...):
        if a is missing or b is missing:
            return missing
    if not {type(a), type(b)} <= {int, float} or (operation is ast.Pow and (abs(a) > 1e6 or abs(b) > 64)):
        return UNKNOWN
    try:
        result = ARITHMETIC[operation](a, b)
    except (KeyError, ArithmeticError):
        return UNKNOWN
    return UNKNOWN if type(result) is complex or _too_large(result) else result


def _too_large(value):
    if type(value) is int:
        return abs(value) > LARGEST_NUMBER
    return type(value) in (str, bytes) and len(value) > LONGEST_TEXT


def _unfinished(function):
    """Is a `...` of the template left in it as a value, or as its only result?"""
    nodes = [n for n in ast.walk(function) if isinstance(n, (ast.Assign, ast.Return, ast.Expr))]
    dots = [n for n in nodes if isinstance(n.value, ast.Constant) and n.value.value is ...]
    returns = any(isinstance(n, ast.Return) and n.value for n in nodes)
    return any(not isinstance(n, ast.Expr) or not returns for n in dots)


# ---- notebooks, executed ----


def _run(codes, timeout):
    """({exercise's id: mark}, what stopped it or "") of code cells executed in a process of their own."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        job, told = Path(place, "job.json"), Path(place, "told.json")
        work = Path(place, "work")
        work.mkdir()
        job.write_text(json.dumps({"codes": codes, "told": str(told), "seconds": int(timeout) + 10}), encoding="utf-8")
        script = f"import sys; sys.path[:] = {[p or os.getcwd() for p in sys.path]!r}\n" \
                 f"from ditcourse.grade import execute; execute({str(job)!r})"  # fmt: skip
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "SYSTEMROOT") if name in os.environ}
        new = {"HOME": str(work), "MPLBACKEND": "agg", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
        nothing = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        process = subprocess.Popen([sys.executable, "-I", "-c", script], cwd=work, env=kept | new,
                                   start_new_session=True, **nothing)  # fmt: skip
        try:
            code = process.wait(timeout)
            stopped = f"its process ended with code {code}." if code else ""
        except subprocess.TimeoutExpired:
            stopped = f"it was stopped after {timeout} s."
        finally:
            with contextlib.suppress(OSError):  # whatever it has started goes too
                os.killpg(process.pid, signal.SIGKILL) if hasattr(os, "killpg") else process.kill()
            process.wait()
        try:
            said = json.loads(_bytes(told, MB))
            return {id: _believed(said["marks"][id]) for id in said["marks"]}, stopped or str(said["stopped"])
        except Exception as error:  # noqa: BLE001 (the file may hold anything)
            return {}, stopped or f"it left no result ({describe(error)})."


def _believed(found):
    """A mark as the process told it: only what a mark may hold."""
    if found["state"] not in ("right", "wrong", "not done"):
        raise ValueError("no such state")
    kinds = {field.name: str if field.type is str else int for field in fields(Row)[3:]}
    return {name: kinds[name](value) for name, value in found.items() if name != "exercise" and value != ""}


def execute(job):
    """In the process of its own: execute the cells, and write down what the checks among them find."""
    job = json.loads(Path(job).read_text(encoding="utf-8"))
    with contextlib.suppress(ImportError):  # there is none on Windows
        import resource

        limits = {"RLIMIT_CPU": job["seconds"], "RLIMIT_AS": LARGEST_MEMORY, "RLIMIT_FSIZE": 100 * MB, "RLIMIT_CORE": 0}
        for name, most in limits.items():
            with contextlib.suppress(ValueError, OSError, AttributeError):
                resource.setrlimit(getattr(resource, name), (most, most))
    told = {"marks": {}, "stopped": ""}

    def tell():
        Path(job["told"] + ".new").write_text(json.dumps(told), encoding="utf-8")
        os.replace(job["told"] + ".new", job["told"])

    def check(id, answer, hint=0):
        found = mark(engine.find(id), answer)
        told["marks"][id] = found
        tell()
        return Verdict(found["state"], found["message"], None, found["slip"] or None)

    checks.check = engine.check = check
    names = {"__name__": "__main__", "display": lambda *things, **options: None}
    for number, code in enumerate(job["codes"], start=1):
        place = f"<cell {number}>"
        linecache.cache[place] = (len(code), None, code.splitlines(keepends=True), place)  # for inspect.getsource
        try:
            exec(compile(code, place, "exec"), names)
        except BaseException as error:  # noqa: BLE001 (the next cell is run all the same, as in Jupyter by hand)
            told["stopped"] = told["stopped"] or f"code cell {number} stopped with {describe(error)}."
            tell()
    tell()


# ---- what comes out ----


def check_free(path, force=False):
    """FileExistsError if there is such a file already; FileNotFoundError if there is no folder for it."""
    if not Path(path).parent.is_dir():
        raise FileNotFoundError(f"{path}: there is no such folder.")
    if Path(path).exists() and not force:
        raise FileExistsError(f"{path} is there already; name another file, or add --force.")


def write(rows, path, force=False):
    """Write the rows as a CSV (UTF-8 with a byte order mark, which spreadsheets want), all or nothing."""
    path = Path(path)
    check_free(path, force)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8-sig", newline="") as file:
            table = csv.writer(file)
            table.writerow(field.name for field in fields(Row))
            table.writerows([_safe(value) for value in astuple(row)] for row in rows)
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def _safe(value):
    """A field that no spreadsheet takes for a formula, on one line."""
    return re.sub(r"(^|;\s*)([=+\-@＝＋－＠])", r"\1'\2", shown(value))  # in many countries ; separates fields


def shown(value):
    """On one line, and without signs that steer a terminal or turn the writing round."""
    text = " ".join(str(value)[:1000].split())
    return "".join(sign if sign.isprintable() else "?" for sign in text)


def summary(rows, skipped):
    """Lines for the teacher: each file, the slips of the class from the most common on, what was skipped."""
    lines = [f"{shown(row.file):40}  {row.state:16}  {shown(row.message)}"
             + (f"; {shown(row.slip or 'wrong')} ({shown(row.where)})" if row.where else "")
             for row in rows if row.exercise == "all"]  # fmt: skip
    slips = Counter((row.exercise, row.slip) for row in rows if row.slip and row.exercise != "all")
    if slips:
        lines += ["", "Most common slips:"]
        lines += [f"{count:4}  {shown(slip)} (in {exercise})" for (exercise, slip), count in slips.most_common(10)]
    if skipped:
        lines += ["", f"Skipped, no submission: {shown(', '.join(skipped))}"]
    return lines
