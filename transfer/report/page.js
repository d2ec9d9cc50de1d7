"use strict";
// Draws the charts of a report with plotly.js, and lets keys, checkboxes and lists work on them.
(() => {
  const { charts, palettes } = JSON.parse(document.getElementById("drawn").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const narrow = matchMedia("(max-width: 40rem)");
  const PRINTED_WIDTH = 660; // pixels: A4 within its margins
  const PRINTED_HEIGHT = 320; // as .plot is in print
  const closed = [...document.querySelectorAll("details")]; // which print opens
  let printing = false;

  /** "@AnB/0.15" becomes the colour of AnB in this palette, with that opacity. */
  function colour(name, palette) {
    const [key, opacity] = name.slice(1).split("/");
    const hex = palette[key];
    if (opacity === undefined) return hex;
    const [r, g, b] = [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
    return `rgba(${r},${g},${b},${opacity})`;
  }

  function coloured(value, palette) {
    if (typeof value === "string") return value.startsWith("@") ? colour(value, palette) : value;
    if (Array.isArray(value)) return value.map((entry) => coloured(entry, palette));
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, entry]) => [key, coloured(entry, palette)]),
    );
  }

  const inputs = (id, kind) => [...document.querySelectorAll(`[data-chart="${id}"][data-${kind}]`)];

  function state(id) {
    const chosen = {};
    for (const list of inputs(id, "choice")) chosen[list.dataset.choice] = list.value;
    const off = new Set();
    for (const box of inputs(id, "switch")) if (!box.checked) off.add(box.dataset.switch);
    return { chosen, off };
  }

  function shown(id) {
    const { chosen, off } = state(id);
    const fits = (when) => Object.entries(when).every(([key, value]) => chosen[key] === value);
    return charts[id].traces.filter(
      ({ meta }) => fits(meta.when || {}) && !(meta.switch && off.has(meta.switch)),
    );
  }

  function layout(id, palette) {
    const { chosen } = state(id);
    const own = [charts[id].layout, ...Object.values(chosen).map((v) => charts[id].layouts[v] || {})];
    const small = narrow.matches && !printing;
    const size = small || printing ? 12 : 13; // of the font, pixels
    const axis = {
      color: palette.ink, gridcolor: palette.grid, linecolor: palette.ink, zeroline: false,
      fixedrange: true, automargin: true, ticks: "outside", ticklen: 4, tickcolor: palette.ink,
    };
    const merged = { xaxis: {}, yaxis: {} };
    for (const part of own) {
      Object.assign(merged.xaxis, part.xaxis);
      Object.assign(merged.yaxis, part.yaxis);
    }
    const above = merged.yaxis.title ? merged.yaxis.title.text : "";
    return {
      xaxis: { ...axis, showgrid: false, showline: true, ...merged.xaxis,
        title: { standoff: 8, font: { size }, ...merged.xaxis.title } },
      yaxis: { ...axis, ticks: "", ...merged.yaxis, title: undefined },
      // The title of the axis stands above it: read without turning the head, and no width lost.
      annotations: [{
        text: above, xref: "paper", yref: "paper", x: 0, y: 1, xanchor: "left", yanchor: "bottom",
        xshift: small ? -40 : -48, yshift: 6, showarrow: false, font: { color: palette.ink },
      }],
      margin: { l: small ? 40 : 48, r: 10, t: 30, b: 46 },
      font: {
        family: getComputedStyle(document.querySelector("nav")).fontFamily,
        size, color: palette.ink,
      },
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      showlegend: false, dragmode: false, hovermode: "closest", hoverdistance: 40,
      hoverlabel: { bgcolor: palette.paper, bordercolor: palette.ink, align: "left",
        font: { color: palette.ink, size: 12 }, namelength: -1 },
      autosize: true,
      ...(printing ? { width: PRINTED_WIDTH, height: PRINTED_HEIGHT } : {}),
    };
  }

  function draw(id) {
    const plot = document.getElementById(id);
    const palette = palettes[dark.matches && !printing ? "dark" : "light"];
    const traces = shown(id).map((trace) => {
      const copy = coloured(trace, palette);
      if (narrow.matches && copy.hovertemplate) {
        // A label would not fit: what it would say is under the chart.
        delete copy.hovertemplate;
        copy.hoverinfo = "none";
      }
      return copy;
    });
    Plotly.react(plot, traces, layout(id, palette), {
      displayModeBar: false, responsive: true, scrollZoom: false, doubleClick: false,
      showTips: false,
    });
    if (!plot.dataset.heard) {
      plot.dataset.heard = "yes";
      plot.on("plotly_hover", ({ points }) => say(id, points[0]));
      plot.on("plotly_click", ({ points }) => say(id, points[0])); // a finger does not hover
    }
  }

  function say(id, point) {
    const text = point.customdata
      || `${point.data.name}, epoch ${point.x}: ${point.y.toFixed(3)}`;
    document.getElementById(`${id}-readout`).textContent =
      text.replaceAll("<br>", "; ").replaceAll(/<\/?b>/g, "");
  }

  /** Left and right go along a line, up and down to another one; Escape leaves. */
  function listen(id) {
    const plot = document.getElementById(id);
    let line = 0;
    let place = -1;
    plot.addEventListener("keydown", (event) => {
      const lines = plot.data.map((_, i) => i).filter((i) => plot.data[i].hoverinfo !== "skip");
      if (!lines.length) return;
      const steps = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };
      if (event.key === "Escape") {
        Plotly.Fx.unhover(plot);
        return;
      }
      if (!(event.key in steps)) return;
      event.preventDefault();
      const [other, along] = steps[event.key];
      line = (Math.min(line, lines.length - 1) + other + lines.length) % lines.length;
      const points = plot.data[lines[line]].x.length;
      place = Math.min(Math.max(place + along, 0), points - 1);
      Plotly.Fx.hover(plot, [{ curveNumber: lines[line], pointNumber: place }]);
      const data = plot.data[lines[line]];
      const customdata = data.customdata && data.customdata[place];
      say(id, { data, customdata, x: data.x[place], y: data.y[place] }); // hover() tells nobody
    });
  }

  const drawAll = () => Object.keys(charts).forEach(draw);

  for (const id of Object.keys(charts)) {
    for (const input of [...inputs(id, "switch"), ...inputs(id, "choice")]) {
      input.addEventListener("change", () => draw(id));
    }
    listen(id);
  }
  dark.addEventListener("change", drawAll);
  narrow.addEventListener("change", drawAll);
  addEventListener("beforeprint", () => {
    printing = true;
    for (const details of closed) {
      details.dataset.was = details.open ? "open" : "";
      details.open = true;
    }
    drawAll();
  });
  addEventListener("afterprint", () => {
    printing = false;
    for (const details of closed) details.open = details.dataset.was === "open";
    drawAll();
  });
  drawAll();

  for (const button of document.querySelectorAll(".copy button")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      getSelection().selectAllChildren(button.previousElementSibling);
      document.execCommand("copy"); // works in a page that was opened from disk
      button.textContent = "Copied";
    });
  }
})();
