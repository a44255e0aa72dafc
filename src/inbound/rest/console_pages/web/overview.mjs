// The overview: charts of the last 15 minutes, the health of the parts, and the nodes.
import { api } from "./api.mjs";
import { chart } from "./charts.mjs";
import { $, age, badge, facts, h, number } from "./elements.mjs";
import { repeat, start } from "./shell.mjs";
import { table } from "./table.mjs";

const WINDOW = 900; // s
const CHARTS = [
  { key: "connections", title: "Connections" },
  { key: "channels", title: "Channels" },
  { key: "publishes", title: "Publishes", unit: "/s" },
  { key: "deliveries", title: "Deliveries", unit: "/s" },
  { key: "slow_readers", title: "Slow readers closed" },
  { key: "errors", title: "Errors" },
  { key: "store_ms", title: "Store latency", unit: "ms" },
  { key: "bus_ms", title: "Bus latency", unit: "ms" },
].map((one) => ({ ...one, figure: chart(one) }));

const nodes = table({
  caption: "Nodes",
  filter: false,
  id: (node) => node.node,
  columns: [
    { label: "Node", key: "node" },
    { label: "Connections", key: "connections", kind: "number", cell: ({ connections }) => number(connections) },
    { label: "Channels", key: "channels", kind: "number", cell: ({ channels }) => number(channels) },
    { label: "Publishes/s", kind: "number", value: (node) => node.samples.at(-1)?.publishes, cell: (node) => number(node.samples.at(-1)?.publishes) },
    { label: "Deliveries/s", kind: "number", value: (node) => node.samples.at(-1)?.deliveries, cell: (node) => number(node.samples.at(-1)?.deliveries) },
    { label: "Running for", key: "started", kind: "number", fresh: true, cell: ({ started }) => age(started) },
  ],
  empty: "No node has answered.",
});

const MEANING = { ok: "good", degraded: "warn", draining: "warn", error: "bad" };
const NAMES = { database: "Store", bus: "Bus between nodes", websocket: "WebSocket", handlers: "Notifications" };

/** What a part says beside its status. */
function details(part) {
  const known = Object.entries(part).filter(([key, value]) => key !== "status" && value !== null && typeof value !== "object");
  return known.map(([key, value]) => (key === "latency_ms" ? `${number(value)} ms` : `${key.replaceAll("_", " ")}: ${value}`)).join(" · ");
}

function showHealth(health) {
  $("health-panel").hidden = !health;
  if (!health) return;
  const parts = Object.entries(health.checks ?? {}).filter(([, part]) => part);
  facts($("health"), [
    ["Server", [badge(health.status, MEANING[health.status])]],
    ...parts.map(([name, part]) => [NAMES[name] ?? name, [badge(part.status, MEANING[part.status]), h("span", { className: "quiet" }, details(part))]]),
  ]);
}

const series = (samples, key) => samples.map((sample) => ({ time: sample.time, value: sample[key] }));

function showCharts(found, isAdministrator) {
  const { samples } = found.total;
  const empty = $("charts-empty");
  empty.hidden = found.total.connections > 0 && isAdministrator;
  empty.replaceChildren(
    ...(isAdministrator
      ? ["Nothing is connected. Open the ", h("a", { href: "../" }, "front page"), " or the ", h("a", { href: "../examples/chat.html" }, "chat example"), " to see a connection arrive."]
      : ["The numbers are those of this app. Charts of the whole server are for the administrator."]),
  );
  const [from, to] = [found.time - WINDOW, found.time];
  for (const { key, figure } of CHARTS) {
    const live = { time: found.time, value: found.total[key] };
    const points = key in found.total ? [...series(samples, key), live] : series(samples, key);
    figure.update({ points, nodes: found.nodes.map((node) => series(node.samples, key)), from, to });
    // A session of an app has numbers, but no series.
    figure.element.hidden = !isAdministrator && !(key in found.total);
  }
}

async function refresh(isAdministrator) {
  const found = await api("overview");
  showCharts(found, isAdministrator);
  showHealth(found.health);
  nodes.update(found.nodes);
  const silent = found.silent_nodes;
  $("notice").textContent = silent.length ? `Without an answer: node ${silent.join(", ")}. The sums are without it.` : "";
}

$("charts").append(...CHARTS.map(({ figure }) => figure.element));
$("nodes").append(nodes.element);
start(async (session) => {
  const isAdministrator = session.role === "administrator";
  await refresh(isAdministrator);
  repeat(() => refresh(isAdministrator), 5);
});
