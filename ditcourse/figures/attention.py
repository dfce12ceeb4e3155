"""What a token looks at, in space and time: the weights of a trained model, a still figure and a map to explore.

The map is plain HTML, CSS and a few lines of script with everything in it, as in `sampling.py`: no kernel is needed.
"""

from __future__ import annotations

import base64
import html
import io
import json

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ditcourse.figures.clips import to_frames
from ditcourse.model.patches import token_grid

LEVELS = 15  # of a weight in the map: the root of its share of the largest, in four bits
QUALITY = 70


@torch.no_grad()
def attention_of(model, x: Tensor, t: float, y: Tensor) -> Tensor:
    """Who looks at whom while `model` works on clips x (B, C, T, H, W) at time t, prompts y (B, L).

    (blocks, B, heads, query, key); each row sums to 1.
    """
    found = []

    def keep(attention, arguments):
        found.append(attention.weights(*arguments))

    hooks = [block.attn.register_forward_pre_hook(keep) for block in model.blocks]
    try:
        model(x, x.new_full((len(x),), t), y)
    finally:
        for hook in hooks:
            hook.remove()
    return torch.stack(found)


def token_distances(grid: tuple[int, int, int]) -> tuple[Tensor, Tensor]:
    """(time, space), each (N, N): how many tokens apart any two are. In space it is the straight line."""
    axes = torch.meshgrid(*(torch.arange(side, dtype=torch.float32) for side in grid), indexing="ij")
    time, row, column = (axis.reshape(-1) for axis in axes)
    apart = [place[:, None] - place[None, :] for place in (time, row, column)]
    return apart[0].abs(), (apart[1] ** 2 + apart[2] ** 2).sqrt()


def mean_distance(weights: Tensor, grid: tuple[int, int, int]) -> tuple[Tensor, Tensor]:
    """How far, on average, a token looks in time and in space: weights (..., N, N) -> two tensors (...)."""
    return tuple((weights * apart).sum(-1).mean(-1) for apart in token_distances(grid))


def attention_figure(clip: Tensor, maps: dict[str, Tensor], token: int, patch_size=(2, 4, 4)):
    """A row of the clip's frames, one for each step of tokens in time, and below it a row for each map (N,).

    The token that looks is framed. Each map has its own scale, from 0 to its largest weight. Returns the figure.
    """
    import matplotlib.pyplot as plt

    F, H, W = grid = token_grid(tuple(clip.shape[1:]), patch_size)
    frame, row, column = np.unravel_index(token, grid)
    figure, axes = plt.subplots(
        1 + len(maps), F, figsize=(1.35 * F, 1.4 * (1 + len(maps))), dpi=110, squeeze=False
    )
    pictures = to_frames(clip)[:: patch_size[0]]
    for place in range(F):
        axes[0, place].imshow(pictures[place], extent=(-0.5, W - 0.5, H - 0.5, -0.5))
        axes[0, place].set_title(_frames(place, patch_size[0]), fontsize=9)
        for i, weights in enumerate(maps.values(), start=1):
            shown = weights.reshape(grid)[place].numpy()
            axes[i, place].imshow(shown, cmap="cividis", vmin=0, vmax=weights.max().item())
    for line, name in zip(axes, ["the clip", *maps], strict=True):
        line[0].set_ylabel(name, fontsize=9)
        edge = plt.Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor="#ff7a1a", linewidth=2.5)
        line[frame].add_patch(edge)
    for one in axes.flat:
        one.set_xticks([])
        one.set_yticks([])
    figure.tight_layout(pad=0.4)
    return figure


def attention_map(
    steps: list[tuple],
    clip: Tensor,
    patch_size=(2, 4, 4),
    title: str = "What a token looks at",
    token: int = 0,
    block: int = 0,
):
    """Choose a token, a block, a head and a time; see over the frames what the token looks at. HTML for a notebook.

    steps: [(t, x_t, weights), ...], with x_t (C, T, H, W) what the model saw and weights (blocks, heads, N, N) as
    `attention_of` gives them for one clip; all of the same size, in any order. clip: the clip without noise. token and
    block: those that are shown first, counted from 0, at the middle time.
    """
    from IPython.display import HTML

    grid = token_grid(tuple(clip.shape[1:]), patch_size)
    N = grid[0] * grid[1] * grid[2]
    steps = sorted(steps, key=lambda step: float(step[0]))  # the slider goes from clip to noise
    shapes = {tuple(weights.shape) for _, _, weights in steps}
    if len(shapes) != 1 or next(iter(shapes))[2:] != (N, N):
        raise ValueError(f"steps must hold weights (blocks, heads, {N}, {N}), all alike, got {sorted(shapes)}")
    blocks, heads = next(iter(shapes))[:2]
    data = {
        "grid": list(grid), "blocks": blocks, "heads": heads, "levels": LEVELS,
        "t": [round(float(t), 3) for t, _, _ in steps],
        "names": [_frames(place, patch_size[0]) for place in range(grid[0])],
        "weights": _packed(torch.stack([weights for _, _, weights in steps])),
    }  # fmt: skip
    frame, row, column = (int(place) for place in np.unravel_index(token, grid))
    filled = {
        "TITLE": html.escape(title),
        "CLIPS": _sprite([clip, *(x for _, x, _ in steps)]),
        "WIDTH": str(100 * clip.shape[1]),
        "HEIGHT": str(100 * (1 + len(steps))),
        "SIDES": f"repeat({grid[1]}, 1fr) / repeat({grid[2]}, 1fr)",
        "SLIDERS": "\n".join(
            SLIDER.replace("@KEY@", key).replace("@NAME@", name).replace("@LAST@", str(last)).replace("@AT@", str(at))
            for key, name, last, at in (
                ("t", "time t", len(steps) - 1, len(steps) // 2), ("block", "block", blocks - 1, block),
                ("head", "head", heads, 0), ("frame", "frames", grid[0] - 1, frame),
                ("row", "row", grid[1] - 1, row), ("column", "column", grid[2] - 1, column),
            )
        ),
        "LASTFRAME": str(clip.shape[1] - 1),
        "STEP": str(patch_size[0]),
        "DATA": json.dumps(data),
    }  # fmt: skip
    page = TEMPLATE
    for name, text in filled.items():
        page = page.replace(f"@{name}@", text)
    return HTML(page)


def _frames(place: int, step: int) -> str:
    first = place * step + 1
    return f"frame {first}" if step == 1 else f"frames {first} to {first + step - 1}"


def _packed(weights: Tensor) -> str:
    """Each weight in four bits, two in a byte, in base64: LEVELS times the root of its share of the row's largest."""
    levels = (LEVELS * (weights / weights.amax(-1, keepdim=True)).sqrt()).round().to(torch.uint8).numpy().reshape(-1)
    if levels.size % 2:
        levels = np.append(levels, np.uint8(0))
    return base64.b64encode((levels[::2] * 16 + levels[1::2]).tobytes()).decode()


def _sprite(clips) -> str:
    """One picture in base64: a row for each clip, its frames from left to right."""
    picture = np.concatenate([np.concatenate(list(to_frames(clip)), axis=1) for clip in clips], axis=0)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "WEBP", quality=QUALITY, method=6)
    return base64.b64encode(buffer.getvalue()).decode()


SLIDER = """<label for="attention-@KEY@">@NAME@</label>
<input type="range" id="attention-@KEY@" min="0" max="@LAST@" value="@AT@"><output for="attention-@KEY@"></output>"""

TEMPLATE = """<div id="attention-map" role="group" aria-label="@TITLE@">
<style>
#attention-map {max-width: 44em}
#attention-map .drag {display: grid; grid-template-columns: 4.5em 1fr 7em; gap: .1em .6em; align-items: center;
  max-width: 30em}
#attention-map input[type=range] {width: 100%; min-height: 24px}
#attention-map .frames {display: grid; grid-template-columns: repeat(auto-fit, minmax(132px, 1fr)); gap: .5em;
  margin: .6em 0}
#attention-map figure {margin: 0; max-width: 180px}
#attention-map figcaption {font-size: .9em; text-align: left; color: inherit; margin: 0; padding: 0}
#attention-map .screen {position: relative; aspect-ratio: 1; image-rendering: pixelated;
  background-image: linear-gradient(#0006, #0006), url(data:image/webp;base64,@CLIPS@);
  background-size: 100% 100%, @WIDTH@% @HEIGHT@%; background-position: 0 0, var(--one) var(--row);
  animation: attention-map 1.2s step-end infinite}
#attention-map.held .screen {animation: none}
#attention-map .tokens {position: absolute; inset: 0; display: grid; grid-template: @SIDES@}
#attention-map .tokens div {display: flex; align-items: center; justify-content: center; cursor: pointer;
  border: 1px solid #fff3}
#attention-map .tokens div.chosen {outline: 3px solid #ff7a1a; outline-offset: -3px; z-index: 1}
#attention-map .tokens i {background: #fff; outline: 1px solid #000; pointer-events: none}
#attention-map .ticks label {margin-right: 1.2em}
@keyframes attention-map {0% {background-position: 0 0, var(--one) var(--row)}
  50% {background-position: 0 0, var(--two) var(--row)}}
@media (prefers-reduced-motion: reduce) {#attention-map .screen {animation: none}}
</style>
<div class="drag">
@SLIDERS@
</div>
<div class="frames"></div>
<p class="ticks"><label><input type="checkbox" class="seen"> show what the model sees</label>
<label><input type="checkbox" class="still"> hold still</label></p>
<p aria-live="polite"></p>
<script>
(function () {
  var box = document.getElementById("attention-map"), data = @DATA@, grid = data.grid, bytes = atob(data.weights);
  var N = grid[0] * grid[1] * grid[2], frames = box.querySelector(".frames"), cells = [], screens = [];
  var seen = box.querySelector(".seen"), still = box.querySelector(".still");
  function handle(name) { return box.querySelector("#attention-" + name); }
  function at(name) { return +handle(name).value; }
  function place(token) {
    return [Math.floor(token / grid[1] / grid[2]), Math.floor(token / grid[2]) % grid[1], token % grid[2]];
  }
  function row(block, head, token) {  // one row of the weights, which sums to 1 again
    var first = (((at("t") * data.blocks + block) * data.heads + head) * N + token) * N, found = [], sum = 0;
    for (var k = first; k < first + N; k++) {
      var byte = bytes.charCodeAt(k >> 1), level = k % 2 ? byte & 15 : byte >> 4;
      found.push(level * level);
      sum += level * level;
    }
    return found.map(function (w) { return w / sum; });
  }
  function weights(token) {  // of one head, or their mean
    var head = at("head"), heads = [];
    for (var h = 0; h < data.heads; h++) if (head === data.heads || head === h) heads.push(row(at("block"), h, token));
    return heads[0].map(function (_, k) {
      return heads.reduce(function (sum, one) { return sum + one[k]; }, 0) / heads.length;
    });
  }
  function percent(w) { return (100 * w).toFixed(100 * w < 9.95 ? 1 : 0) + "%"; }
  function spoken(token) {
    var p = place(token);
    return data.names[p[0]] + ", row " + (p[1] + 1) + ", column " + (p[2] + 1);
  }
  function show() {
    var token = (at("frame") * grid[1] + at("row")) * grid[2] + at("column"), found = weights(token);
    var top = Math.max.apply(null, found), own = place(token), best = found.indexOf(top);
    var share = data.names.map(function () { return 0; }), time = 0, space = 0;
    found.forEach(function (w, k) {
      var p = place(k), size = Math.sqrt(w / top) * 78;
      share[p[0]] += w;
      time += w * Math.abs(p[0] - own[0]);
      space += w * Math.sqrt(Math.pow(p[1] - own[1], 2) + Math.pow(p[2] - own[2], 2));
      cells[k].firstChild.style.cssText = "width:" + size + "%;height:" + size + "%";
      cells[k].className = k === token ? "chosen" : "";
    });
    screens.forEach(function (screen, f) {
      screen.style.setProperty("--row", (seen.checked ? 100 * (at("t") + 1) / data.t.length : 0) + "%");
      screen.setAttribute("aria-label", data.names[f] + ": " + percent(share[f]) + " of the weight");
      screen.parentNode.querySelector("span").textContent = percent(share[f]);
    });
    var said = {t: data.t[at("t")].toFixed(2), block: at("block") + 1 + " of " + data.blocks,
      head: at("head") === data.heads ? "mean of " + data.heads : at("head") + 1 + " of " + data.heads,
      frame: data.names[own[0]].replace(/^frames? /, ""), row: own[1] + 1, column: own[2] + 1};
    Object.keys(said).forEach(function (name) {
      handle(name).setAttribute("aria-valuetext", said[name]);
      handle(name).nextElementSibling.textContent = said[name];
    });
    box.querySelector("p[aria-live]").textContent = "The token at " + spoken(token) + " looks most at " +
      (best === token ? "itself" : spoken(best)) + ": about " + percent(top) + " (evenly spread it would be " +
      percent(1 / N) + "). On average it looks " + time.toFixed(1) + " tokens away in time and " + space.toFixed(1) +
      " in space.";
  }
  data.names.forEach(function (name, f) {
    var figure = document.createElement("figure");
    figure.innerHTML = '<div class="screen" role="img"><div class="tokens" aria-hidden="true"></div></div>' +
      "<figcaption>" + name + ", <span></span></figcaption>";
    var screen = figure.firstChild, tokens = screen.firstChild;
    screen.style.setProperty("--one", 100 * f * @STEP@ / @LASTFRAME@ + "%");
    screen.style.setProperty("--two", 100 * (f * @STEP@ + @STEP@ - 1) / @LASTFRAME@ + "%");
    for (var k = 0; k < grid[1] * grid[2]; k++) {
      var cell = document.createElement("div");
      cell.appendChild(document.createElement("i"));
      cells.push(tokens.appendChild(cell));
    }
    screens.push(screen);
    frames.appendChild(figure);
  });
  cells.forEach(function (cell, token) {
    cell.addEventListener("click", function () {
      ["frame", "row", "column"].forEach(function (name, axis) { handle(name).value = place(token)[axis]; });
      show();
    });
  });
  box.querySelectorAll("input[type=range]").forEach(function (one) { one.addEventListener("input", show); });
  seen.addEventListener("change", show);
  still.addEventListener("change", function () { box.classList.toggle("held", still.checked); });
  show();
})();
</script>
</div>"""
