"""The prompt explorer: every caption of the miniature world, and the clip that the shipped model made for it.

Plain HTML, CSS and a few lines of script, precomputed, so that it works in the static book, from a file, in JupyterLab
and on Colab, with no kernel. `live_prompt` is the one that runs the model, where a kernel is there to run it.
"""

from __future__ import annotations

import base64
import html
import io
import json
from importlib import resources

import numpy as np
from PIL import Image

from ditcourse import world
from ditcourse.figures.clips import to_frames

SPRITE = resources.files("ditcourse") / "weights" / "mini" / "clips.webp"


def sprite(clips) -> bytes:
    """Clips (B, C, T, H, W) as one picture: a row for each clip, its frames from left to right. Lossless WebP."""
    rows = [np.concatenate(list(to_frames(clip)), axis=1) for clip in clips]
    buffer = io.BytesIO()
    Image.fromarray(np.concatenate(rows, axis=0)).save(buffer, "WEBP", lossless=True, method=6)
    return buffer.getvalue()


def sprite_clips(data: bytes, frames: int):
    """The clips of a sprite, (B, 3, T, H, W) float32 in [-1, 1]."""
    import torch

    picture = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    side = picture.shape[1] // frames
    clips = picture.reshape(-1, side, frames, side, 3).transpose(0, 4, 2, 1, 3)  # (B, 3, T, H, W)
    return torch.from_numpy(clips.astype(np.float32) / 127.5 - 1)


def prompt_explorer():
    """Three menus, one clip: choose a caption and see what the model made of it, and what the oracle read."""
    from IPython.display import HTML

    data = SPRITE.read_bytes()
    prompts = world.captions()
    clips = sprite_clips(data, world.CLIP_SIZE[1])
    readings = {
        prompt: {"row": row, "read": f"{r.colour} {r.shape}, moves {r.direction}"}
        for row, (prompt, r) in enumerate(zip(prompts, world.read(clips), strict=True))
    }
    menus = "".join(
        f'<label>{name} <select data-name="{name}">'
        + "".join(f"<option>{value}</option>" for value in world.ATTRIBUTES[name])
        + "</select></label> "
        for name in ("colour", "shape", "direction")
    )
    return HTML(
        TEMPLATE.replace("MENUS", menus)
        .replace("ROWS", str(len(prompts)))
        .replace("FRAMES", str(world.CLIP_SIZE[1]))
        .replace("READINGS", json.dumps(readings))
        .replace("SPRITE", base64.b64encode(data).decode())
    )


TEMPLATE = """<div id="prompt-explorer">
<style>
#prompt-explorer select {font: inherit; margin-right: .8em}
#prompt-explorer .screen {width: 160px; height: 160px; margin: .6em 0; image-rendering: pixelated;
  background-image: url(data:image/webp;base64,SPRITE); background-size: calc(160px * FRAMES) calc(160px * ROWS);
  animation: prompt-explorer 1s steps(FRAMES) infinite}
#prompt-explorer .screen.held {animation-play-state: paused}
@keyframes prompt-explorer {from {background-position-x: 0} to {background-position-x: calc(-160px * FRAMES)}}
@media (prefers-reduced-motion: reduce) {#prompt-explorer .screen {animation: none}}
</style>
<div>MENUS</div>
<div class="screen" role="img" aria-label="clip"></div>
<label><input type="checkbox"> hold still</label>
<p aria-live="polite"></p>
<script>
(function () {
  var box = document.getElementById("prompt-explorer"), readings = READINGS;
  var screen = box.querySelector(".screen"), said = box.querySelector("p");
  function show() {
    var pick = {};
    box.querySelectorAll("select").forEach(function (s) { pick[s.dataset.name] = s.value; });
    var prompt = "a " + pick.colour + " " + pick.shape + " moves " + pick.direction, r = readings[prompt];
    screen.style.backgroundPositionY = -160 * r.row + "px";
    screen.setAttribute("aria-label", "Clip that the model made for: " + prompt);
    said.textContent = "Prompt: \\u201c" + prompt + "\\u201d. The oracle reads off the pixels: " + r.read + ".";
  }
  box.querySelectorAll("select").forEach(function (s) { s.addEventListener("change", show); });
  box.querySelector("input").addEventListener("change", function (e) {
    screen.classList.toggle("held", e.target.checked);
  });
  show();
})();
</script>
</div>"""


def live_prompt():
    """A text box, a seed and a guidance slider: the model makes the clip here and now. Needs a running kernel."""
    import ipywidgets as widgets

    from ditcourse import pipeline
    from ditcourse.figures.clips import clip_html

    pipe = pipeline.load("mini")
    prompt = widgets.Text("a red circle moves left", description="prompt")
    seed = widgets.IntText(0, description="seed")
    guidance = widgets.FloatSlider(2.0, min=0, max=6, step=0.5, description="guidance")
    button, screen = widgets.Button(description="make the clip"), widgets.HTML()

    def make(_):
        try:
            clip = pipe([prompt.value], seed=seed.value, guidance_scale=guidance.value)[0]
            screen.value = clip_html(clip, f"Clip for: {prompt.value}", width=160)
        except ValueError as error:  # an unknown word: say it where the clip would be
            screen.value = f"<p>{html.escape(str(error))}</p>"

    button.on_click(make)
    make(None)
    return widgets.VBox([prompt, seed, guidance, button, screen])
