"""Patches to look at: a clip with gaps between its patches, and one taken apart into tokens and put together again.

The explorer is plain HTML, CSS and a few lines of script with everything in it, as in `explorer.py`: no kernel needed.
"""

from __future__ import annotations

import base64
import html
import json
from itertools import product

from ditcourse.figures.clips import to_frames
from ditcourse.figures.explorer import sprite
from ditcourse.model.config import DiTConfig
from ditcourse.model.counts import macs_by_part
from ditcourse.model.patches import token_grid

PAIRS = "attention: scores and mixing"


def with_gaps(clip, patch_size: tuple[int, int, int], gap: int = 1):
    """A clip (C, T, H, W) with white lines, `gap` pixels wide, between its patches in space: the same C and T.

    Raises ValueError where a side is not a multiple of the patch.
    """
    _, h, w = token_grid(clip.shape[1:], patch_size)
    C, T, H, W = clip.shape
    wide = clip.new_full((C, T, H + gap * (h - 1), W + gap * (w - 1)), 1)
    rows, columns = ([i + gap * (i // p) for i in range(side)] for side, p in ((H, patch_size[1]), (W, patch_size[2])))
    wide[:, :, [[row] for row in rows], columns] = clip
    return wide


def patch_costs(size: tuple[int, int, int], preset: str = "mini", smallest: int = 2) -> dict[str, list[float]]:
    """For every patch of powers of two, at least `smallest` high and wide: {"p_t,p_h,p_w": [MACs, share of the pairs]}.

    MACs of one forward pass of the named model over a clip of this size (T, H, W); the pairs are attention's
    scores and its mixing, the part that grows with the square of the tokens.
    """
    T, H, W = size
    made = {}
    for patch in product(_powers(T, 1), _powers(H, smallest), _powers(W, smallest)):
        parts = macs_by_part(DiTConfig.preset(preset, input_size=size, patch_size=patch))
        made[",".join(map(str, patch))] = [sum(parts.values()), round(parts[PAIRS] / sum(parts.values()), 4)]
    return made


def patch_explorer(clip, title: str = "Into patches, and back"):
    """Choose a patch, see a clip taken apart into its tokens and put together; returns HTML for a notebook.

    clip: (3, 8, 16, 16) in [-1, 1]. Under it stand tokens, values in each, pairs, and what the miniature would pay.
    """
    from IPython.display import HTML

    frames = to_frames(clip)
    if frames.shape[:3] != (8, 16, 16):
        raise ValueError(f"clip must be (3, 8, 16, 16), as the miniature world's, got {tuple(clip.shape)}")
    filled = {
        "TITLE": html.escape(title),
        "SPRITE": base64.b64encode(sprite(clip[None])).decode(),
        "COSTS": json.dumps(patch_costs((8, 16, 16)), separators=(",", ":")),
        "CHANNELS": str(clip.shape[0]),
    }
    page = TEMPLATE
    for name, text in filled.items():
        page = page.replace(f"@{name}@", text)
    return HTML(page)


def _powers(side: int, least: int) -> list[int]:
    return [2**k for k in range(side.bit_length()) if least <= 2**k <= side and side % 2**k == 0]


# A pixel of the clip is 4 px in a token, 10 px in the whole clip.
TEMPLATE = """<div id="patch-explorer" role="group" aria-label="@TITLE@">
<style>
#patch-explorer {max-width: 520px}
#patch-explorer .drag {display: grid; grid-template-columns: 7.5em 1fr 4em; gap: .2em .6em; align-items: center}
#patch-explorer input[type=range] {width: 100%; min-height: 24px}
#patch-explorer .stage {position: relative; width: 336px; height: 168px; margin: .8em 0; overflow: hidden}
#patch-explorer .stage div {position: absolute; left: 0; top: 0; transform-origin: 0 0; image-rendering: pixelated;
  background-image: url(data:image/webp;base64,@SPRITE@); background-size: 512px 64px;
  background-position: var(--x) var(--y); transition: transform .9s, opacity .3s}
#patch-explorer .stage .whole {width: 160px; height: 160px; background-size: 1280px 160px}
#patch-explorer .stage-says {height: 4.8em; line-height: 1.6}
#patch-explorer .held div {animation-play-state: paused !important}
@keyframes patch-explorer {from {background-position-x: var(--x)}
  to {background-position-x: calc(var(--x) - var(--span))}}
@media (prefers-reduced-motion: reduce) {
  #patch-explorer .stage div {animation: none !important; transition: none}}
</style>
<div class="drag">
<label for="patch-t">frames, p_t</label><input type="range" id="patch-t" min="0" max="3" value="1"><output
  for="patch-t"></output>
<label for="patch-h">rows, p_h</label><input type="range" id="patch-h" min="1" max="4" value="2"><output
  for="patch-h"></output>
<label for="patch-w">columns, p_w</label><input type="range" id="patch-w" min="1" max="4" value="2"><output
  for="patch-w"></output>
<label for="patch-apart">take apart</label><input type="range" id="patch-apart" min="0" max="3" value="0"><output
  for="patch-apart"></output>
</div>
<div class="stage" role="img"></div>
<p class="stage-says"></p>
<label><input type="checkbox" class="play"> go round by itself</label> &nbsp;
<label><input type="checkbox" class="hold"> hold the frames still</label>
<p aria-live="polite" class="cost"></p>
<script>
(function () {
  var box = document.getElementById("patch-explorer"), costs = @COSTS@;
  var drag = box.querySelectorAll("input[type=range]"), said = box.querySelectorAll("output");
  var stage = box.querySelector(".stage"), play = box.querySelector(".play"), hold = box.querySelector(".hold");
  var whole, blocks = [], patch, grid, way = 0, round = [0, 1, 2, 3, 3, 2, 1, 0];
  function number(x) { return x.toLocaleString("en-GB"); }
  function piece(x, y, span, frames) {
    var div = document.createElement("div");
    div.style.setProperty("--x", x + "px");
    div.style.setProperty("--y", y + "px");
    div.style.setProperty("--span", span + "px");
    if (frames > 1) div.style.animation = "patch-explorer " + frames / 8 + "s steps(" + frames + ") infinite";
    stage.appendChild(div);
    return div;
  }
  function build() {
    patch = [0, 1, 2].map(function (i) { return Math.pow(2, +drag[i].value); });
    grid = [8 / patch[0], 16 / patch[1], 16 / patch[2]];
    stage.textContent = "";
    blocks = [];
    whole = piece(0, 0, 1280, 8);
    whole.className = "whole";
    for (var t = 0; t < grid[0]; t++) for (var h = 0; h < grid[1]; h++) for (var w = 0; w < grid[2]; w++) {
      var div = piece(-64 * t * patch[0] - 4 * w * patch[2], -4 * h * patch[1], 64 * patch[0], patch[0]);
      div.style.width = 4 * patch[2] + "px";
      div.style.height = 4 * patch[1] + "px";
      blocks.push({div: div, t: t, h: h, w: w});
    }
    var n = blocks.length, cost = costs[patch.join()], values = @CHANNELS@ * patch[0] * patch[1] * patch[2];
    [0, 1, 2].forEach(function (i) {
      said[i].textContent = patch[i];
      drag[i].setAttribute("aria-valuetext", patch[i]);
    });
    var many = number(n) + (n > 1 ? " tokens" : " token");
    box.querySelector(".cost").textContent = grid.join(" \\u00b7 ") + " = " + many + " of " +
      number(values) + " values; " + number(n * n) + (n > 1 ? " pairs" : " pair") +
      ". One pass of the miniature: " + (cost[0] / 1e6).toPrecision(3).replace(/e.*/, "") +
      " million multiply-accumulates, of which " + (100 * cost[1]).toFixed(1) + " % for the pairs.";
    place();
  }
  function where(b, i, apart) {  // left, top, size
    var high = 4 * patch[1], wide = 4 * patch[2], gap = apart === 2 ? 2 : 0;
    if (apart === 0) return [2.5 * b.w * wide, 2.5 * b.h * high, 2.5];
    if (apart < 3) return [84 * (b.t % 4) + b.w * (wide + gap), 84 * Math.floor(b.t / 4) + b.h * (high + gap), 1];
    var line = 1;
    while (2 * line * (wide + 2) <= 338 && line < 32) line *= 2;
    return [i % line * (wide + 2), Math.floor(i / line) * (high + 2), 1];
  }
  function place() {
    var apart = +drag[3].value, t = grid[0], frames = patch[0] > 1 ? patch[0] + " frames" : "1 frame";
    var says = ["The clip, whole.",
      "Cut in time: " + (t > 1 ? t + " pieces of " : "one piece of ") + frames + (t > 1 ? " each." : "."),
      "Cut in space as well: " + grid[1] + " rows of " + grid[2] + " in each piece.",
      "The tokens in their order: the first piece of time whole, along the rows; then the next." +
        (patch[0] > 1 ? " Each holds " + frames + "." : "")][apart];
    whole.style.opacity = apart ? 0 : 1;
    blocks.forEach(function (b, i) {
      var at = where(b, i, apart);
      b.div.style.opacity = apart ? 1 : 0;
      b.div.style.transform = "translate(" + at[0] + "px," + at[1] + "px) scale(" + at[2] + ")";
    });
    said[3].textContent = ["", "time", "space", "tokens"][apart];
    drag[3].setAttribute("aria-valuetext", says);
    stage.setAttribute("aria-label", says);
    box.querySelector(".stage-says").textContent = says;
  }
  [0, 1, 2].forEach(function (i) { drag[i].addEventListener("input", build); });
  drag[3].addEventListener("input", function () { play.checked = false; place(); });
  hold.addEventListener("change", function () { stage.classList.toggle("held", hold.checked); });
  play.checked = !(window.matchMedia && matchMedia("(prefers-reduced-motion: reduce)").matches);
  setInterval(function () {
    if (!play.checked || !box.isConnected) return;
    way = (way + 1) % round.length;
    drag[3].value = round[way];
    place();
  }, 2200);
  build();
})();
</script>
</div>"""
