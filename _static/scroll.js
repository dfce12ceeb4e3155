// What scrolls sideways must be reachable by keyboard; what does not, must not be a stop on the way.
(function () {
  "use strict";
  var wide = "mjx-container[display='true'], div.math, .scroll, .cell_output .output, pre, .pst-scrollable-table-container";
  function mark() {
    document.querySelectorAll(wide).forEach(function (box) {
      if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
      else if (!box.hasAttribute("role")) box.removeAttribute("tabindex");
    });
  }
  window.addEventListener("load", function () {
    var MathJax = window.MathJax;
    if (MathJax && MathJax.startup && MathJax.startup.promise) MathJax.startup.promise.then(mark);
    mark();
  });
  window.addEventListener("resize", mark);
})();
