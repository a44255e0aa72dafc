// Small line charts, as SVG that is drawn here.
import { h, number } from "./elements.mjs";

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT] = [300, 72];

function shape(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

/** The least round number that is not less. */
function roundUp(value) {
  if (value <= 1) return 1;
  const unit = 10 ** Math.floor(Math.log10(value));
  return unit * [1, 2, 5, 10].find((factor) => factor * unit >= value);
}

/** The lines of a series; where it has no value, the line has a gap. */
function line(points, x, y) {
  let text = "";
  let isOpen = false;
  for (const { time, value } of points) {
    if (value === null || value === undefined) {
      isOpen = false;
      continue;
    }
    text += `${isOpen ? "L" : "M"}${x(time).toFixed(1)} ${y(value).toFixed(1)}`;
    isOpen = true;
  }
  return text;
}

/** A figure that `update({points, nodes, from, to})` draws: the sum, and each node where there are several. */
export function chart({ title, unit = "" }) {
  const now = h("strong", {}, "–");
  const svg = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" });
  const [most, span] = [h("span"), h("span", {}, "15 min")];
  const element = h("figure", { className: "chart" }, h("figcaption", {}, h("span", {}, title), now), svg, h("small", {}, span, most));

  function update({ points, nodes = [], from, to }) {
    const values = points.map(({ value }) => value).filter((value) => value !== null && value !== undefined);
    const last = values.at(-1);
    const highest = values.reduce((a, b) => Math.max(a, b), 0);
    const top = roundUp(nodes.flatMap((node) => node.map(({ value }) => value ?? 0)).reduce((a, b) => Math.max(a, b), highest));
    const x = (time) => (WIDTH * (time - from)) / Math.max(1, to - from);
    const y = (value) => HEIGHT - ((HEIGHT - 4) * value) / top - 1;
    const shown = (value) => (value === undefined ? "–" : `${number(value)}${unit && ` ${unit}`}`);
    now.textContent = shown(last);
    most.textContent = values.length ? `highest ${shown(highest)}` : "no data yet";
    svg.setAttribute("aria-label", `${title}: now ${shown(last)}, highest ${shown(values.length ? highest : undefined)}`);
    const path = line(points, x, y);
    const parts = [shape("path", { class: "axis", d: `M0 ${HEIGHT - 1}H${WIDTH}` })];
    const known = points.filter(({ value }) => value !== null && value !== undefined);
    if (known.length > 1 && known.length === points.length) {
      parts.push(shape("path", { class: "area", d: `${path}L${x(known.at(-1).time).toFixed(1)} ${HEIGHT - 1}L${x(known[0].time).toFixed(1)} ${HEIGHT - 1}Z` }));
    }
    if (nodes.length > 1) parts.push(...nodes.map((node) => shape("path", { class: "node", d: line(node, x, y) })));
    parts.push(shape("path", { class: "total", d: path }));
    svg.replaceChildren(...parts);
  }

  return { element, update };
}
