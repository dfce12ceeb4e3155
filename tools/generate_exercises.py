"""Make exercises/*.ipynb out of solutions/*.ipynb:  python tools/generate_exercises.py [--check]

A file in exercises/ that a learner has worked in is never overwritten: the newer template is merged into it.
--check writes nothing and fails if a committed template is not what this tool would make (for CI).
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # so that it runs in a plain checkout too

from ditcourse import exercises  # noqa: E402
from ditcourse.exercises import BadNotebook  # noqa: E402

MEND = "run `python tools/generate_exercises.py` and commit the result"


def template_of(path, specs=None):
    """The blank template of one solved notebook, with what only a file's name can tell checked too."""
    solution = exercises.read(path)
    template = exercises.blank(solution, specs)
    first = exercises.text_of(template["cells"][0])
    if f"/exercises/{path.name})" not in first:
        raise BadNotebook(
            f"cell 1: the Colab link to solutions/{path.name} is missing or names another notebook."
        )
    return template


def generate(root, check=False, specs=None, say=print):
    """Bring exercises/ up to date, or with `check` only say what is stale. Returns the number of problems."""
    solutions = sorted((root / "solutions").glob("*.ipynb"))
    problems = 0
    if not solutions:
        say(f"{root / 'solutions'}: there is no notebook in it.")
        problems += 1
    for source in solutions:
        target = root / "exercises" / source.name
        try:
            problems += _one(source, target, template_of(source, specs), check, say)
        except BadNotebook as faults:
            for fault in str(faults).split("\n"):
                say(f"{source}: {fault}")
            problems += 1
    for target in sorted((root / "exercises").glob("*.ipynb")):
        if not (root / "solutions" / target.name).exists():
            say(f"{target}: it has no solution in solutions/; delete it, or write one.")
            problems += 1
    return problems


def _one(source, target, template, check, say):
    """Write, merge or check one template; 1 if there is a problem."""
    present = target.exists()
    if present and target.read_bytes() == exercises.dump(template):
        return 0
    mine = exercises.read(target) if present else None
    work = present and exercises.has_work(mine)
    if check:
        if work:
            say(
                f"{target}: somebody has worked in it, it is not the blank. Move that copy elsewhere, {MEND}."
            )
        else:
            say(f"{target}: {'stale' if present else 'missing'}, it does not match {source.name}; {MEND}.")
        return 1
    if not work:
        target.parent.mkdir(exist_ok=True)
        exercises.write(target, template)
        say(f"{target}: written.")
        return 0
    notes = []
    if exercises.write(target, exercises.merge(mine, template, notes)):
        say(f"{target}: has a learner's work in it; merged with the newer template, all that work is kept.")
        for note in notes:
            say(f"  {note}")
    return 0


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a template is stale")
    parser.add_argument("--root", type=Path, default=ROOT, help="the folder with solutions/ and exercises/")
    options = parser.parse_args(arguments)
    problems = generate(options.root, options.check)
    if options.check and not problems:
        print("exercises/ matches solutions/.")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
