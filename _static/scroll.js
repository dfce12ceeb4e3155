// What scrolls sideways must be reachable by keyboard; what does not, must not be a stop on the way. And two small
// things besides: formulas keep their commas, and paper is light.
(function () {
  "use strict";
  var wide = "mjx-container[display='true'], div.math, .scroll, .cell_output .output, pre, .pst-scrollable-table-container";
  function mark() {
    document.querySelectorAll(wide).forEach(function (box) {
      var scrolls = box.scrollWidth > box.clientWidth + 1;
      if (scrolls && box.tabIndex !== 0) box.tabIndex = 0;
      if (!scrolls && box.hasAttribute("tabindex") && !box.hasAttribute("role")) box.removeAttribute("tabindex");
    });
  }
  // A comma stays on the line of the formula before it.
  function bind() {
    document.querySelectorAll("span.math").forEach(function (math) {
      var next = math.nextSibling, found = next && next.nodeType === 3 && /^[.,;:!?)]+/.exec(next.data);
      if (!found) return;
      var both = document.createElement("span");
      both.style.whiteSpace = "nowrap";
      math.replaceWith(both);
      both.append(math, found[0]);
      next.data = next.data.slice(found[0].length);
    });
  }
  window.addEventListener("load", function () {
    var MathJax = window.MathJax;
    if (MathJax && MathJax.startup && MathJax.startup.promise) MathJax.startup.promise.then(bind).then(mark);
    mark();
    // The theme sets tabindex too, a while after a resize: look again whenever it did, and whenever a box changes size.
    new MutationObserver(mark).observe(document.body, {attributes: true, attributeFilter: ["tabindex"], subtree: true});
    var sizes = new ResizeObserver(mark);
    document.querySelectorAll(wide).forEach(function (box) { sizes.observe(box); });
  });

  // Paper is light.
  var page = document.documentElement, shown;
  window.addEventListener("beforeprint", function () { shown = page.dataset.theme; page.dataset.theme = "light"; });
  window.addEventListener("afterprint", function () { page.dataset.theme = shown; });
})();
