"""Write the tables of benchmarks/README.md out of benchmarks/results/*.json: python benchmarks/table.py"""

import json
from pathlib import Path

HERE = Path(__file__).resolve().parent
START, END = "<!-- results: written by table.py -->", "<!-- end of results -->"
RATIOS = "{mfu:.0%} | {ratio_median:.2f} | {ratio_rounds[0]:.2f} to {ratio_rounds[1]:.2f}"  # both kinds of table


def tables(folder: Path = HERE / "results") -> str:
    """One table a file, by name, with the hardware above it."""
    files = sorted(folder.glob("*.json"))
    results = [json.loads(file.read_text(encoding="utf8")) for file in files]
    return "\n\n".join((loop_table if "own_share" in r else table)(r) for r in results) or "No results are stored."


def loop_table(result: dict) -> str:
    """What the training loop costs, as Markdown."""
    machine = result["hardware"]["gpu"] if result["device"] == "cuda" else result["hardware"]["cpu"]
    about = f"{result['preset']}, batch {result['batch']}, {machine}, {result['date']}. {result['repeats']} rounds. "
    about += f"The loop's own share: {result['own_share']:.1%}."
    head = "| | min | median | clips/s | MFU | ratio of medians | ratio by round |"
    row = "| {name} | {min_ms:.0f} ms | {median_ms:.0f} ms | {clips_per_s:.2f} | " + RATIOS + " |"
    return markdown("One training step", about, head, row, result)


def table(result: dict) -> str:
    """One race as Markdown."""
    machine, versions = result["hardware"], result["software"]
    cpu = f"{machine['cpu']}, {machine['threads']} threads ({', '.join(machine['instructions'])})"
    ran_on = machine["gpu"] if result["device"] == "cuda" else cpu
    packages = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    about = f"batch {result['batch']}, {ran_on}, {packages}, {result['date']}. "
    about += f"{result['repeats']} rounds; large matrix product {result['ceiling_tflops']:.3g} TFLOP/s."
    head = (
        "| | tokens | parameters | GFLOPs forward | kept for backward | min | median | MFU | ratio of medians "
        "| ratio by round | verdict |"
    )
    row = (
        "| {name} | {tokens} | {parameters:,} | {gflops_forward:.2f} | {kept_mb:.0f} MB | {min_ms:.1f} ms "
        "| {median_ms:.1f} ms | " + RATIOS + " | {verdict} |"
    )
    skipped = [f"\n{name}: {reason}." for name, reason in result["skipped"].items()]
    return "\n".join([markdown(result["race"].capitalize(), about, head, row, result), *skipped])


def markdown(title: str, about: str, head: str, row: str, result: dict) -> str:
    """A line of facts, and a table with a row for each contender."""
    kind = result["precision"] + ", compiled" * result["compiled"]
    lines = [f"**{title}, {kind}**, {about} `{result['command']}`", "", head, "|---" * (head.count("|") - 1) + "|"]
    for name, r in result["contenders"].items():
        shown = {"tokens": r.get("tokens") or "-", "min_ms": 1e3 * r["min"], "median_ms": 1e3 * r["median"]}
        lines.append(row.format(name=name, **r | shown))
    return "\n".join(lines)


def with_tables(readme: str) -> str:
    """The README with the tables between its two marks."""
    before, rest = readme.split(START)
    return f"{before}{START}\n{tables()}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    page = HERE / "README.md"
    page.write_text(with_tables(page.read_text(encoding="utf8")), encoding="utf8")
