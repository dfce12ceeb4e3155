"""Write the tables of benchmarks/README.md out of benchmarks/results/*.json: python benchmarks/table.py"""

import json
from pathlib import Path

HERE = Path(__file__).resolve().parent
START, END = "<!-- results: written by table.py -->", "<!-- end of results -->"


def tables(folder: Path = HERE / "results") -> str:
    """One table a file, by name, with the hardware above it."""
    files = sorted(folder.glob("*.json"))
    results = [json.loads(file.read_text(encoding="utf8")) for file in files]
    return "\n\n".join((loop_table if "own_share" in r else table)(r) for r in results) or "No results are stored."


def loop_table(result: dict) -> str:
    """What the training loop costs, as Markdown."""
    machine = result["hardware"]["gpu"] if result["device"] == "cuda" else result["hardware"]["cpu"]
    lines = [
        f"**One training step, {result['precision']}{', compiled' if result['compiled'] else ''}**, "
        f"{result['preset']}, batch {result['batch']}, {machine}, {result['date']}. {result['repeats']} rounds. "
        f"The loop's own share: {result['own_share']:.1%}. `{result['command']}`",
        "",
        "| | min | median | clips/s | MFU | ratio of medians | ratio by round |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, r in result["contenders"].items():
        low, high = r["ratio_rounds"]
        lines.append(
            f"| {name} | {1e3 * r['min']:.0f} ms | {1e3 * r['median']:.0f} ms | {r['clips_per_s']:.2f} "
            f"| {r['mfu']:.0%} | {r['ratio_median']:.2f} | {low:.2f} to {high:.2f} |"
        )
    return "\n".join(lines)


def table(result: dict) -> str:
    """One race as Markdown."""
    machine, versions = result["hardware"], result["software"]
    cpu = f"{machine['cpu']}, {machine['threads']} threads ({', '.join(machine['instructions'])})"
    packages = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    lines = [
        f"**{result['race'].capitalize()}, {result['precision']}{', compiled' if result['compiled'] else ''}**, batch "
        f"{result['batch']}, {machine['gpu'] if result['device'] == 'cuda' else cpu}, {packages}, {result['date']}. "
        f"{result['repeats']} rounds; large matrix product {result['ceiling_tflops']:.3g} TFLOP/s. "
        f"`{result['command']}`",
        "",
        "| | tokens | parameters | GFLOPs forward | kept for backward | min | median | MFU | ratio of medians "
        "| ratio by round | verdict |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, r in result["contenders"].items():
        low, high = r["ratio_rounds"]
        lines.append(
            f"| {name} | {r['tokens'] or '-'} | {r['parameters']:,} | {r['gflops_forward']:.2f} "
            f"| {r['kept_mb']:.0f} MB | {1e3 * r['min']:.1f} ms | {1e3 * r['median']:.1f} ms | {r['mfu']:.0%} "
            f"| {r['ratio_median']:.2f} | {low:.2f} to {high:.2f} | {r['verdict']} |"
        )
    return "\n".join(lines + [f"\n{name}: {reason}." for name, reason in result["skipped"].items()])


def with_tables(readme: str) -> str:
    """The README with the tables between its two marks."""
    before, rest = readme.split(START)
    return f"{before}{START}\n{tables()}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    page = HERE / "README.md"
    page.write_text(with_tables(page.read_text(encoding="utf8")), encoding="utf8")
