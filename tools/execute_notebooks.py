"""Run notebooks from top to bottom and store them clean: outputs complete, in order, nothing volatile.

    python tools/execute_notebooks.py                             all of book/ and solutions/
    python tools/execute_notebooks.py solutions/01_by_hand.ipynb

Widget state and timings are dropped (no page relies on a kernel's widgets), kernel and language are named
without a version, and every cell keeps its id, or gets one from its place in the notebook.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

ROOT = Path(__file__).resolve().parents[1]
KERNEL = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
          "language_info": {"name": "python"}}
KEPT = ("accelerator", "colab")  # what tells Colab which machine to lend
VOLATILE = ("execution", "ExecuteTime", "collapsed", "scrolled", "outputId", "colab")
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


def clean(notebook) -> None:
    """Drop from an executed notebook, in place, what differs from run to run."""
    kept = {key: value for key, value in notebook.metadata.items() if key in KEPT}
    notebook.metadata = nbformat.from_dict(kept | KERNEL)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    seen = set()
    for place, cell in enumerate(notebook.cells):
        if not cell.get("id") or cell["id"] in seen:
            cell["id"] = f"cell-{place}"
        seen.add(cell["id"])
        for key in VOLATILE:
            cell.metadata.pop(key, None)
        if cell.cell_type == "code":
            for output in cell.outputs:
                output.get("data", {}).pop(WIDGET_VIEW, None)
                if "metadata" in output:
                    output["metadata"] = nbformat.from_dict({})
            # a widget alone leaves an output with nothing in it; what the page does not show is not stored either
            hidden = "remove-output" in cell.metadata.get("tags", [])
            cell.outputs = [output for output in cell.outputs if output.get("data", True) and not hidden]


def execute(path: Path, timeout: int) -> None:
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    folder = {"metadata": {"path": str(path.resolve().parent)}}  # where it would run for a reader, too
    NotebookClient(notebook, timeout=timeout, kernel_name="python3", resources=folder,
                   store_widget_state=False, record_timing=False, coalesce_streams=True).execute()
    clean(notebook)
    nbformat.validate(notebook)
    path.write_text(nbformat.writes(notebook) + "\n", encoding="utf8", newline="\n")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("paths", nargs="*", type=Path, help="notebooks or folders; if none, all")
    parser.add_argument("--timeout", type=int, default=1200, help="seconds for one cell")
    options = parser.parse_args(arguments)
    failed = 0
    for path in options.paths or [ROOT / "book", ROOT / "solutions"]:
        for notebook in sorted(path.glob("*.ipynb")) if path.is_dir() else [path]:
            print(notebook, flush=True)
            try:
                execute(notebook, options.timeout)
            except CellExecutionError as error:
                failed += 1
                print(f"{notebook} is left as it was: {error}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
