(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("data").textContent);
  const root = document.documentElement;
  const config = { displayModeBar: false, responsive: true };

  // Plotly knows no variables of a style sheet.
  const coloured = (value, style) => {
    if (typeof value === "string") {
      return value.replace(/^var\((--[\w-]+)\)$/, (_, name) => style.getPropertyValue(name).trim());
    }
    if (Array.isArray(value)) return value.map((item) => coloured(item, style));
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, coloured(item, style)]));
    }
    return value;
  };

  const draw = () => {
    const style = getComputedStyle(root);
    const plots = [["curve", data.curve], ...data.videos.map((figure, i) => [`video-${i}`, figure])];
    return Promise.all(
      plots.map(([id, figure]) => {
        const { traces, layout } = coloured(figure, style);
        return Plotly.react(id, traces, layout, config);
      })
    );
  };

  document.getElementById("theme").addEventListener("click", () => {
    root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
    draw();
  });
  draw().then(() => performance.mark("reelpulse:drawn"));
})();
