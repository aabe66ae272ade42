"use strict";
(() => {
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const narrow = window.matchMedia("(max-width: 560px)");
  // Okabe and Ito's colors, those that are seen on white, and those that are seen on black.
  const series = {
    light: ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#555555"],
    dark: ["#56B4E9", "#E69F00", "#1FBF92", "#DF93BD", "#F0E442", "#E8743B", "#BBBBBB"],
  };
  const dashes = ["solid", "dash", "dot", "dashdot"];
  const symbols = ["circle", "square", "diamond", "triangle-up", "cross", "x", "star"];
  // Viridis without the end that is faint on the page.
  const viridis = ["#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962",
    "#addc30", "#fde725"];

  const mode = () => (dark.matches ? "dark" : "light");
  const variable = (name) =>
    getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  function shade(t) {
    const [low, high] = dark.matches ? [0.25, 1] : [0, 0.9];
    const place = (low + t * (high - low)) * (viridis.length - 1);
    const k = Math.min(Math.floor(place), viridis.length - 2);
    const part = (text, i) => parseInt(text.slice(1 + 2 * i, 3 + 2 * i), 16);
    const mixed = [0, 1, 2].map((i) =>
      Math.round(part(viridis[k], i) + (place - k) * (part(viridis[k + 1], i) - part(viridis[k], i))));
    return `rgb(${mixed.join(",")})`;
  }

  function colorOf(meta) {
    if ("shade" in meta) return shade(meta.shade);
    const colors = series[mode()];
    return "series" in meta ? colors[meta.series % colors.length] : variable("--muted");
  }

  function painted(trace, shared) {
    const meta = trace.meta || {};
    const result = { ...(meta.shared ? shared : {}), ...trace };
    if (trace.type === "heatmap") return result;
    const color = colorOf(meta), round = Math.floor((meta.series || 0) / 7);
    result.line = { color: color, width: 2, dash: dashes[round % 4], ...trace.line };
    result.marker = { color: color, symbol: symbols[(meta.series || 0) % 7], ...trace.marker };
    if (trace.error_x) result.error_x = { color: color, thickness: 1.5, width: 3, ...trace.error_x };
    if (trace.fill) result.fillcolor = color.replace(/^rgb\((.*)\)$/, "rgba($1,0.2)")
      .replace(/^#(......)$/, "#$133");
    return result;
  }

  function laidOut(layout) {
    const lines = variable("--line"), ink = variable("--ink");
    const axis = { gridcolor: lines, linecolor: lines, zerolinecolor: lines, automargin: true };
    const result = {
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: ink, size: narrow.matches ? 11 : 13, family: getComputedStyle(document.body).fontFamily },
      margin: { l: 50, r: 12, t: 28, b: 44 },
      hoverlabel: { bgcolor: variable("--panel"), bordercolor: lines, font: { color: ink } },
      legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: variable("--muted"), activecolor: ink },
      uirevision: "kept",
      ...layout,
      xaxis: { ...axis, ...layout.xaxis },
      yaxis: { ...axis, ...layout.yaxis },
    };
    for (const shape of result.shapes || []) shape.line = { ...shape.line, color: variable("--muted") };
    return result;
  }

  // Its buttons are named, as by default there is one that sends charts to the web.
  const config = () => ({
    responsive: true,
    displaylogo: false,
    displayModeBar: narrow.matches ? false : "hover",
    modeBarButtons: [["toImage", "zoom2d", "pan2d", "autoScale2d", "resetScale2d"]],
  });

  function setUp(chart) {
    const figure = document.getElementById(chart.name);
    const plot = figure.querySelector(".plot"), controls = figure.querySelector(".controls");
    const chosen = chart.menus.map(() => 0);
    let place = Infinity, shownView = null;

    function draw() {
      for (const text of figure.querySelectorAll(".meaning[data-options]"))
        text.hidden = !text.dataset.options.split(" ").includes(String(chosen[0]));
      const view = chart.views[chosen.join(".")];
      if (!view) {
        Plotly.purge(plot);
        plot.innerHTML = '<p class="empty">There is nothing to show for this choice.</p>';
        shownView = null;
        return;
      }
      const frame = view.frames.length ? view.frames[Math.min(place, view.frames.length - 1)] : null;
      const data = view.data.map((trace, k) =>
        painted({ ...trace, ...(frame && frame.data[k]) }, chart.shared));
      // Another view has axes of its own; another place of the slider keeps what was zoomed.
      const layout = { ...laidOut(view.layout), uirevision: chosen.join(".") };
      if (!shownView) plot.textContent = "";
      Plotly.react(plot, data, layout, config());
      shownView = view;
    }

    chart.menus.forEach((menu, k) => {
      const select = document.createElement("select");
      menu.options.forEach((option, n) => select.add(new Option(option, n)));
      select.addEventListener("change", () => { chosen[k] = Number(select.value); draw(); });
      const first = Object.keys(chart.views)[0];
      if (first) select.value = chosen[k] = Number(first.split(".")[k]);
      addControl(controls, menu.label, select);
    });
    if (chart.slider) addSlider(chart, controls, (k) => { place = k; draw(); });
    draw();
    dark.addEventListener("change", draw);
    narrow.addEventListener("change", draw);
  }

  function addControl(controls, name, control, kind = "") {
    const label = document.createElement("label"), text = document.createElement("span");
    text.textContent = name;
    label.className = kind;
    label.append(text, control);
    controls.append(label);
    return text;
  }

  function addSlider(chart, controls, moved) {
    const labels = Object.values(chart.views)[0].frames.map((frame) => frame.label);
    const slider = document.createElement("input"), button = document.createElement("button");
    Object.assign(slider, { type: "range", min: 0, max: labels.length - 1, step: 1, value: labels.length - 1 });
    button.type = "button";
    let timer = null;
    const stop = () => { clearInterval(timer); timer = null; button.textContent = "▶ Play"; };
    const show = () => {
      const label = labels[slider.value];
      text.textContent = `${chart.slider}: ${label}`;
      slider.setAttribute("aria-valuetext", label);
      moved(Number(slider.value));
    };
    slider.addEventListener("input", () => { stop(); show(); });
    button.addEventListener("click", () => {
      if (timer) return stop();
      if (Number(slider.value) === labels.length - 1) slider.value = -1;
      button.textContent = "❚❚ Stop";
      timer = setInterval(() => {
        slider.value = Number(slider.value) + 1;
        show();
        if (Number(slider.value) === labels.length - 1) stop();
      }, 250);
    });
    const text = addControl(controls, "", slider, "slider");
    controls.append(button);
    stop();
    text.textContent = `${chart.slider}: ${labels[slider.value]}`;
    slider.setAttribute("aria-valuetext", labels[slider.value]);
  }

  for (const chart of JSON.parse(document.getElementById("charts").textContent)) setUp(chart);
  document.documentElement.dataset.ready = "yes";
})();
