// Draws the figures; colors are names of CSS variables, looked up here and again when the screen turns light or dark.
"use strict";
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const config = {displaylogo: false, responsive: true, modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"]};

  function colored(value, style) {
    if (typeof value === "string") {
      const name = /^var\((--[a-z]+)\)$/.exec(value);
      return name ? style.getPropertyValue(name[1]).trim() : value;
    }
    if (Array.isArray(value)) return value.map((item) => colored(item, style));
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, colored(item, style)]));
    }
    return value;
  }

  function draw() {
    const style = getComputedStyle(document.documentElement);
    for (const [key, figure] of Object.entries(figures)) {
      const place = document.getElementById("plot-" + key);
      Plotly.react(place, colored(figure.data, style), colored(figure.layout, style), config);
    }
  }

  draw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  // One voice at a time.
  document.addEventListener("play", (event) => {
    for (const sound of document.querySelectorAll("audio")) if (sound !== event.target) sound.pause();
  }, true);
})();
