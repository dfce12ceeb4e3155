"""Pictures of conditions: time as waves and as hands on dials, and what moves scale, shift and gate.

Still plots on a white ground, as in `plots.py`; `time_dials` is plain HTML with a slider, no kernel is needed.
"""

from __future__ import annotations

import html
import json
import math

import matplotlib.pyplot as plt
import torch

from ditcourse.figures.plots import INK, QUIET
from ditcourse.model.conditions import timestep_embedding

BLOCKS = (("#56a5d8", "-", 3.5), ("#e08a4a", "--", 2.5), ("#00573f", "-.", 1.8), ("#1f2933", ":", 1.8))
SOURCES = {"time": "#0b3c6f", "prompt": "#e08a4a", "both together": "#cbd2d9"}
SIX = ("shift, attention", "scale, attention", "gate, attention", "shift, MLP", "scale, MLP", "gate, MLP")
DIALS = (0, 16, 32, 48, 64, 80)  # of the 128 frequencies


def plot_time_features(panels: dict):
    """Embedded times as pictures, one above the other: a row for each feature, a column for each time.

    panels: {title: features (times, width) in [-1, 1]}, the first half of the width cosines, the second sines.
    Blue is 1, red is -1. Returns the figure.
    """
    if not panels or any(features.dim() != 2 for features in panels.values()):
        raise ValueError(
            f"panels must be one or more of features (times, width), got {[tuple(f.shape) for f in panels.values()]}"
        )
    figure, axes = plt.subplots(
        len(panels), 1, figsize=(3.8, 2 * len(panels)), dpi=130, facecolor="white", layout="constrained",
        squeeze=False, sharex=True,
    )  # fmt: skip
    for (title, features), ax in zip(panels.items(), axes[:, 0], strict=True):
        times, width = features.shape
        ax.imshow(features.T.numpy(), cmap="RdBu", vmin=-1, vmax=1, aspect="auto", extent=(0, times - 1, width, 0))
        ax.axhline(width / 2, color=INK, linewidth=0.8)
        ax.set_yticks([width / 4, 3 * width / 4], ["cosines", "sines"], rotation=90, va="center")
        ax.set_title(title, loc="left", fontsize=9.5, color=INK)
        ax.tick_params(colors=QUIET, labelsize=9, left=False)
    ax.set_xlabel("t, counted from 0 to 1000", fontsize=9.5, color=INK)
    return figure


def plot_gates(t, gates: dict):
    """How wide the gates stand open over t: a panel for each kind, a line for each block; returns the figure.

    t (n,); gates: {"attention": sizes (blocks, n), ...}, at most four blocks.
    """
    if any(len(sizes) > len(BLOCKS) for sizes in gates.values()):
        raise ValueError(f"gates: at most {len(BLOCKS)} blocks, one for each kind of line")
    figure, axes = plt.subplots(
        1, len(gates), figsize=(3.8, 2.9), dpi=130, facecolor="white", layout="constrained", sharey=True, squeeze=False
    )
    for (name, sizes), ax in zip(gates.items(), axes[0], strict=True):
        for number, (line, (colour, dash, width)) in enumerate(zip(sizes, BLOCKS, strict=False), start=1):
            label = f"block {number}" if ax is axes[0, 0] else None
            ax.plot(t, line, dash, color=colour, linewidth=width, label=label)
        ax.set_title(name, loc="left", fontsize=9.5, color=INK)
        ax.set(xlim=(0, 1), xticks=(0, 0.5, 1))
        ax.set_xlabel("t, clip to noise", fontsize=9.5, color=INK)
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(colors=QUIET, labelsize=9)
    axes[0, 0].set_ylim(0, None)  # of both: they share it, and now it knows all lines
    axes[0, 0].set_ylabel("size of the gate", fontsize=9.5, color=INK)
    figure.legend(loc="outside upper center", ncols=2, frameon=False, fontsize=9, handlelength=2.2, columnspacing=1)
    return figure


def plot_shares(shares):
    """What the changes of shift, scale and gate come from: a bar for each of the six in each block; the figure.

    shares (blocks, 6, 3): of time, of the prompt, of both together; the three add up to 1.
    """
    shares = torch.as_tensor(shares)
    if shares.dim() != 3 or shares.shape[1:] != (6, 3):
        raise ValueError(f"shares must be (blocks, 6, 3), got {tuple(shares.shape)}")
    figure, ax = plt.subplots(figsize=(3.6, 0.6 + 1.4 * len(shares)), dpi=130, facecolor="white", layout="constrained")
    rows = [7 * block + six for block in range(len(shares)) for six in range(6)]
    left = torch.zeros(len(rows))
    for (name, colour), share in zip(SOURCES.items(), shares.flatten(0, 1).T, strict=True):
        ax.barh(rows, share, left=left, color=colour, height=0.85, label=name)
        left = left + share
    ax.set_yticks(rows, list(SIX) * len(shares), fontsize=8.5)
    for block in range(len(shares)):
        ax.text(1.02, 7 * block + 2.5, f"block {block + 1}", rotation=270, va="center", fontsize=9, color=INK)
    ax.invert_yaxis()
    ax.set(xlim=(0, 1), xticks=(0, 0.5, 1))
    ax.set_xlabel("share of the change", fontsize=9.5, color=INK)
    ax.spines[:].set_visible(False)
    ax.tick_params(colors=QUIET, left=False)
    figure.legend(loc="outside upper center", ncols=3, frameon=False, fontsize=9, handlelength=1.4, columnspacing=1)
    return figure


def time_dials(title: str = "Time as bits and as hands"):
    """A slider for t: ten binary digits, and some of the 128 pairs (cosine, sine) as hands on dials. HTML."""
    from IPython.display import HTML

    waves = timestep_embedding(torch.ones(1))[0, 128:].double().asin()  # the angles of t = 1 are the frequencies
    dials = "".join(
        f'<figure><svg viewBox="-50 -50 100 100" role="img" aria-label="dial {number}"><circle r="46"/>'
        f'<line x2="40"/></svg><figcaption>one turn in {_period(waves[index].item())}</figcaption></figure>'
        for number, index in enumerate(DIALS, start=1)
    )
    filled = {
        "TITLE": html.escape(title),
        "DIALS": dials,
        "WAVES": json.dumps([round(waves[index].item(), 7) for index in DIALS]),
    }
    page = TEMPLATE
    for name, text in filled.items():
        page = page.replace(f"@{name}@", text)
    return HTML(page)


def _period(wave: float) -> str:
    """So many steps of t for a whole turn: '6.3', '63', '2,000'."""
    steps = 2 * math.pi / wave
    return f"{steps:.1f}" if steps < 10 else f"{float(f'{steps:.2g}'):,.0f}"


TEMPLATE = """<div id="time-dials" role="group" aria-label="@TITLE@">
<style>
#time-dials {max-width: 36em}
#time-dials .drag {display: grid; grid-template-columns: 2em 1fr 5em; gap: .2em .6em; align-items: center}
#time-dials input[type=range] {width: 100%; min-height: 24px}
#time-dials .bits {display: flex; gap: 3px; margin: .6em 0}
#time-dials .bits span {border: 1px solid currentColor; min-width: 1.6em; text-align: center; padding: .1em 0}
#time-dials .bits span.moves {background: #d9480f; color: white}
#time-dials .dials {display: grid; grid-template-columns: repeat(6, 1fr); gap: .6em}
@media (max-width: 600px) {#time-dials .dials {grid-template-columns: repeat(3, 1fr)}}
#time-dials figure {margin: 0; min-width: 0}
#time-dials svg {width: 100%; max-width: 90px; color: inherit}
#time-dials circle {fill: none; stroke: currentColor; stroke-width: 2; opacity: .5}
#time-dials line {stroke: #d9480f; stroke-width: 6; stroke-linecap: round}
#time-dials figcaption {font-size: .8em; line-height: 1.25; color: inherit; margin: 0; padding: 0}
</style>
<div class="drag">
<label for="time-dials-t">t</label><input type="range" id="time-dials-t" min="0" max="1000" value="511">
<output for="time-dials-t"></output>
</div>
<div class="bits" aria-hidden="true"></div>
<div class="dials">@DIALS@</div>
<label><input type="checkbox"> give t between 0 and 1, not times 1000</label>
<p aria-live="polite"></p>
<script>
(function () {
  var box = document.getElementById("time-dials"), waves = @WAVES@, drag = box.querySelector("input[type=range]");
  var raw = box.querySelector("input[type=checkbox]"), hands = box.querySelectorAll("line");
  function bits(t) { return ("0000000000" + t.toString(2)).slice(-10); }
  function show() {
    var t = +drag.value, here = bits(t), next = bits(Math.min(t + 1, 1000)), fed = raw.checked ? t / 1000 : t;
    var moving = 0, row = "";
    for (var i = 0; i < 10; i++) {
      if (here[i] !== next[i]) moving++;
      row += "<span" + (here[i] !== next[i] ? " class='moves'" : "") + ">" + here[i] + "</span>";
    }
    box.querySelector(".bits").innerHTML = row;
    hands.forEach(function (hand, k) {
      hand.setAttribute("x2", 40 * Math.cos(waves[k] * fed));
      hand.setAttribute("y2", -40 * Math.sin(waves[k] * fed));
    });
    box.querySelector("output").textContent = raw.checked ? fed.toFixed(3) : fed;
    drag.setAttribute("aria-valuetext", "t = " + fed);
    box.querySelector("p").textContent = "In bits " + here + ". " + (t < 1000 ? moving + (moving === 1 ?
      " bit changes" : " bits change") + " on the way to " + (t + 1) + " (marked)." : "That is the last one.");
  }
  drag.addEventListener("input", show);
  raw.addEventListener("change", show);
  show();
})();
</script>
</div>"""
