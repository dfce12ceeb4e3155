"""Sampling, step by step: drag the step and the guidance, see what is in the grid, the estimate of the clip, the error.

Plain HTML, CSS and a few lines of script with everything in it, as in `explorer.py`: no kernel is needed.
`live_sampling` is the one that runs the model, where a kernel is there to run it.
"""

from __future__ import annotations

import base64
import html
import io
import json

import numpy as np
from PIL import Image

from ditcourse.figures.clips import clip_html, to_frames

GRID_QUALITY, ESTIMATE_QUALITY = 50, 80  # noise does not compress, so it may lose more


def sampling_explorer(runs: dict[str, list[tuple]], title: str = "Sampling"):
    """Two sliders over recorded runs, which of them and which of its steps; returns HTML for a notebook.

    runs: {guidance: [(t, x_t, x0_estimate), ...]}, as `on_step` of `sample` gives them, clips (C, T, H, W) in [-1, 1],
    with (0, clip, clip) at the end. All runs have as many steps. The error is the root of the mean squared
    difference between the estimate and the clip at the end of the same run.
    """
    from IPython.display import HTML

    lengths = {len(run) for run in runs.values()}
    if len(lengths) != 1 or 0 in lengths:
        raise ValueError(f"runs must hold runs of the same number of steps, got {[len(run) for run in runs.values()]}")
    every = [step for run in runs.values() for step in run]
    data = {
        "guidance": [str(label) for label in runs],
        "t": [[round(float(t), 3) for t, _, _ in run] for run in runs.values()],
        "error": [[round(error, 3) for error in estimate_errors(run)] for run in runs.values()],
    }
    frames = every[0][1].shape[1]
    filled = {
        "TITLE": html.escape(title),
        "GRID": _sprite([x for _, x, _ in every], GRID_QUALITY),
        "ESTIMATE": _sprite([x0 for _, _, x0 in every], ESTIMATE_QUALITY),
        "FRAMES": str(frames),
        "ROWS": str(len(every)),
        "LAST": str(lengths.pop() - 1),
        "LASTRUN": str(len(runs) - 1),
        "DATA": json.dumps(data),
    }
    page = TEMPLATE
    for name, text in filled.items():
        page = page.replace(f"@{name}@", text)
    return HTML(page)


def estimate_errors(run: list[tuple]) -> list[float]:
    """For each step of a run the root mean squared difference between its estimate and the clip at the run's end."""
    end = run[-1][2].clamp(-1, 1)
    return [(x0.clamp(-1, 1) - end).square().mean().sqrt().item() for _, _, x0 in run]


def record_run(pipe, prompt: str, seed: int = 0, guidance_scale: float = 2.0, num_inference_steps: int = 25) -> list:
    """One run of a pipeline as `sampling_explorer` wants it: [(t, x_t, x0_estimate), ..., (0, clip, clip)]."""
    run = []
    clip = pipe([prompt], seed, num_inference_steps, guidance_scale,
                on_step=lambda t, x, x0: run.append((t, x[0], x0[0])))[0]  # fmt: skip
    return [*run, (0.0, clip, clip)]


def live_sampling(prompt: str = "a red triangle moves up"):
    """The same with any prompt, noise and guidance: the model runs here and now. Needs a running kernel."""
    import ipywidgets as widgets

    from ditcourse import pipeline

    pipe, run = pipeline.load("mini"), []
    words = widgets.Text(prompt, description="prompt", continuous_update=False)
    seed = widgets.IntText(0, description="noise (seed)")
    guidance = widgets.FloatSlider(2.0, min=0, max=6, step=0.5, description="guidance", continuous_update=False)
    step = widgets.IntSlider(0, min=0, max=25, description="step")
    screen = widgets.HTML()

    def show(_=None):
        if not run:
            return
        t, x, x0 = run[step.value]
        error = estimate_errors(run)[step.value]
        screen.value = (
            clip_html(x, f"What is in the grid at t = {t:.2f}", "in the grid")
            + clip_html(x0, f"The estimate of the clip at t = {t:.2f}", "the estimate of the clip")
            + f"<p>t = {t:.2f}, error of the estimate {error:.2f}</p>"
        )

    def again(_=None):
        try:
            run[:] = record_run(pipe, words.value, seed.value, guidance.value)
            show()
        except ValueError as error:  # an unknown word: say it where the clip would be
            run.clear()
            screen.value = f"<p>{html.escape(str(error))}</p>"

    for handle in (words, seed, guidance):
        handle.observe(again, names="value")
    step.observe(show, names="value")
    again()
    return widgets.VBox([words, seed, guidance, step, screen])


def _sprite(clips, quality: int) -> str:
    """One picture in base64: a row for each clip, its frames from left to right."""
    picture = np.concatenate([np.concatenate(list(to_frames(clip)), axis=1) for clip in clips], axis=0)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "WEBP", quality=quality, method=6)
    return base64.b64encode(buffer.getvalue()).decode()


TEMPLATE = """<div id="sampling-explorer" role="group" aria-label="@TITLE@">
<style>
#sampling-explorer {max-width: 36em}
#sampling-explorer .pair {display: flex; flex-wrap: wrap; gap: 1em}
#sampling-explorer figure {margin: .4em 0; flex: 0 0 136px}
#sampling-explorer figcaption {font-size: .9em; text-align: left; color: inherit; margin: 0; padding: 0}
#sampling-explorer .screen {width: 128px; height: 128px; image-rendering: pixelated;
  background-size: calc(128px * @FRAMES@) calc(128px * @ROWS@);
  animation: sampling-explorer 1s steps(@FRAMES@) infinite}
#sampling-explorer .grid {background-image: url(data:image/webp;base64,@GRID@)}
#sampling-explorer .estimate {background-image: url(data:image/webp;base64,@ESTIMATE@)}
#sampling-explorer .screen.held {animation-play-state: paused}
#sampling-explorer .drag {display: grid; grid-template-columns: 6em 1fr 7em; gap: .2em .6em; align-items: center}
#sampling-explorer input[type=range] {width: 100%; min-height: 24px}
#sampling-explorer svg {width: 160px; height: 128px; color: inherit; overflow: visible}
@keyframes sampling-explorer {from {background-position-x: 0} to {background-position-x: calc(-128px * @FRAMES@)}}
@media (prefers-reduced-motion: reduce) {#sampling-explorer .screen {animation: none}}
</style>
<div class="drag">
<label for="sampling-step">step</label><input type="range" id="sampling-step" min="0" max="@LAST@" value="0">
<output for="sampling-step"></output>
<label for="sampling-guidance">guidance</label>
<input type="range" id="sampling-guidance" min="0" max="@LASTRUN@" value="0">
<output for="sampling-guidance"></output>
</div>
<div class="pair">
<figure><div class="screen grid" role="img"></div><figcaption>in the grid</figcaption></figure>
<figure><div class="screen estimate" role="img"></div><figcaption>the estimate of the clip</figcaption></figure>
<figure style="flex-basis: 160px"><svg viewBox="0 0 160 128" role="img">
<path d="M1 4 V127 H159" fill="none" stroke="currentColor" opacity=".5"/>
<polyline fill="none" stroke="currentColor" stroke-width="2"/>
<circle r="5" fill="#d9480f" stroke="currentColor"/></svg><figcaption>error of the estimate</figcaption></figure>
</div>
<label><input type="checkbox"> hold still</label>
<p aria-live="polite"></p>
<script>
(function () {
  var box = document.getElementById("sampling-explorer"), data = @DATA@, last = @LAST@;
  var drag = box.querySelectorAll("input[type=range]"), said = box.querySelectorAll("output");
  var grid = box.querySelector(".grid"), estimate = box.querySelector(".estimate"), svg = box.querySelector("svg");
  var top = Math.max.apply(null, data.error.map(function (row) { return Math.max.apply(null, row); })) || 1;
  drag[1].value = Math.max(0, data.guidance.indexOf("2"));
  function place(run, step) { return [1 + 158 * step / Math.max(last, 1), 127 - 115 * data.error[run][step] / top]; }
  function show() {
    var step = +drag[0].value, run = +drag[1].value, t = data.t[run][step].toFixed(2), error = data.error[run][step];
    var at = place(run, step);
    var where = step === last ? "the finished clip" : "before step " + (step + 1) + " of " + last;
    [grid, estimate].forEach(function (screen) {
      screen.style.backgroundPositionY = -128 * (run * (last + 1) + step) + "px";
    });
    said[0].textContent = "t = " + t;
    said[1].textContent = "s = " + data.guidance[run];
    drag[0].setAttribute("aria-valuetext", where + ", t = " + t);
    drag[1].setAttribute("aria-valuetext", "s = " + data.guidance[run]);
    grid.setAttribute("aria-label", "What is in the grid at t = " + t);
    estimate.setAttribute("aria-label", "The estimate of the clip at t = " + t + ", guidance " + data.guidance[run]);
    svg.querySelector("polyline").setAttribute("points", data.error[run].map(function (_, i) {
      return place(run, i).join();
    }).join(" "));
    svg.querySelector("circle").setAttribute("cx", at[0]);
    svg.querySelector("circle").setAttribute("cy", at[1]);
    svg.setAttribute("aria-label", "The error over the steps, from " + data.error[run][0] + " to 0; here " + error);
    box.querySelector("p").textContent = "Guidance " + data.guidance[run] + ", " + where + ": error " +
      error.toFixed(2) + ".";
  }
  drag.forEach(function (one) { one.addEventListener("input", show); });
  box.querySelector("input[type=checkbox]").addEventListener("change", function (e) {
    [grid, estimate].forEach(function (screen) { screen.classList.toggle("held", e.target.checked); });
  });
  show();
})();
</script>
</div>"""
