// The charts of the trends, drawn by uPlot. x is the order of inspection, because clocks may jump.
"use strict";
document.addEventListener("DOMContentLoaded", async () => {
  const source = document.querySelector("[data-from]");
  if (!source) return;
  const { groups, threshold, promise } = await (await fetch(source.dataset.from)).json();
  const x = groups.map((group) => group.last);
  const column = (pick) => groups.map(pick);
  const locale = document.documentElement.lang;
  const number = (value) => (value == null ? "–" : value.toLocaleString(locale, { maximumSignificantDigits: 4 }));
  const percent = (value) => (value == null ? "–" : value.toLocaleString(locale, { style: "percent", maximumFractionDigits: 1 }));
  const data = {
    scores: [x, ...[0, 1, 2].map((i) => column((group) => group.quantiles[i])), column(() => threshold)],
    rate: [x, column((group) => group.low), column((group) => group.rate), column((group) => group.high), column(() => promise)],
  };
  // One defect scores a hundred times as high as the threshold: the axis ends where thresholds can still be seen.
  const scoreRange = (_, low, high) => {
    const reach = threshold - Math.min(low, threshold) || 1;
    return [low - 0.1 * reach, Math.min(high + 0.1 * reach, threshold + 2 * reach)];
  };
  const rateRange = (_, low, high) => [0, Math.min(1, Math.max(0.05, high * 1.1))];
  const colour = (name) => {
    const probe = document.body.appendChild(document.createElement("i"));
    probe.style.color = `var(${name})`;
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  };
  const draw = (box) => {
    const show = box.dataset.chart === "scores" ? number : percent;
    const [ink, faint, line, bad, bar] = ["--ink", "--faint", "--line", "--bad-text", "--bar"].map(colour);
    const styles = [
      { stroke: faint, width: 1 }, { stroke: ink, width: 2.5 }, { stroke: faint, width: 1 }, { stroke: bad, width: 2, dash: [8, 5] },
    ];
    const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } };
    const labels = box.dataset.labels.split("|");
    const series = labels.map((label, i) => ({ label, value: (_, value) => show(value), points: { show: groups.length < 4 }, ...styles[i] }));
    box.replaceChildren();
    new uPlot({
      width: box.clientWidth, height: 260, cursor: { drag: { x: false, y: false } },
      scales: { x: { time: false }, y: { range: box.dataset.chart === "scores" ? scoreRange : rateRange } },
      bands: [{ series: [3, 1], fill: bar.replace("rgb(", "rgba(").replace(")", ", 0.45)") }],
      axes: [axis, { ...axis, size: 64, values: (_, all) => all.map(show) }],
      series: [{ label: source.dataset.order, value: (_, value) => value ?? "–" }, ...series],
    }, data[box.dataset.chart], box);
  };
  const drawAll = () => document.querySelectorAll("[data-chart]").forEach(draw);
  drawAll();
  addEventListener("resize", drawAll);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
});
