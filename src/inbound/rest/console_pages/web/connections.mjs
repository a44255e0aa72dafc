// Open connections, closing one, and why others were closed.
import { api, path } from "./api.mjs";
import { $, age, badge, bytes, duration, h, time } from "./elements.mjs";
import { confirmed, latest, notice, query, remember, repeat, run, start } from "./shell.mjs";
import { table } from "./table.mjs";

const PAGE = 100;
const FILTERS = { user_id: "user", channel: "channel", address: "address" };

/** What the codes mean; others are explained by their reason. */
const CODES = {
  1000: "closed by the client",
  1001: "the page was left, or the server stopped",
  1005: "closed by the client without a code",
  1006: "the line broke",
  4000: "TLS is required",
  4001: "there is no app with this key",
  4003: "the app is disabled",
  4004: "over the app’s number of connections",
  4009: "not authorised, or closed here",
  4100: "too slow, or over capacity: it reconnects",
  4200: "the server restarts: it reconnects",
  4201: "no answer to a ping",
  4202: "idle for too long",
};

let app;
let connections = [];
let hasMore = false;

const target = (...parts) => path("apps", app.ident, ...parts);

const filters = () => Object.fromEntries(Object.entries(FILTERS).map(([name, id]) => [name, $(id).value.trim()]));

const user = (row) => row.user_id ?? "–";

function channelsOf(row) {
  if (row.channel_count === 0) return "none";
  const links = row.channels.map((name) => h("li", {}, h("a", { href: `channels?${new URLSearchParams({ app: app.ident, channel: name })}` }, name)));
  const rest = row.channel_count - row.channels.length;
  return h("details", {}, h("summary", {}, String(row.channel_count)), h("ul", {}, links, rest > 0 && h("li", {}, `and ${rest} more`)));
}

const open = table({
  caption: "Open connections",
  id: (row) => row.socket_id,
  columns: [
    { label: "Socket", key: "socket_id", cell: (row) => h("code", {}, row.socket_id) },
    { label: "User", value: user },
    { label: "Address", value: (row) => row.address ?? "–" },
    { label: "Dialect", key: "dialect", kind: "short" },
    { label: "Node", key: "node", kind: "short" },
    { label: "Open for", kind: "number", value: (row) => -row.opened, cell: (row) => age(row.opened), fresh: true },
    { label: "Last ping", kind: "number", value: (row) => -row.last_seen, cell: (row) => age(row.last_seen), fresh: true },
    { label: "Pending", kind: "number", key: "pending_bytes", cell: (row) => bytes(row.pending_bytes) },
    { label: "Channels", kind: "number", value: (row) => row.channel_count, text: (row) => row.channels.join(" "), shows: (row) => row.channels, cell: channelsOf },
    { label: "Action", plain: true, value: () => "", cell: (row) => h("button", { type: "button", className: "danger small", "aria-label": `Close ${row.socket_id}`, onclick: () => run(() => close(row)) }, "Close") },
  ],
  empty: "No connection fits. Clients connect with the app’s key; remove filters to see all.",
});

const BY = { client: badge("client"), server: badge("server", "warn"), lost: badge("lost", "bad") };

const closed = table({
  caption: "Closed connections",
  id: (row) => `${row.socket_id}/${row.closed}`,
  columns: [
    { label: "Closed", kind: "short", value: (row) => row.closed, cell: (row) => time(row.closed) },
    { label: "Socket", key: "socket_id", cell: (row) => h("code", {}, row.socket_id) },
    { label: "User", value: user },
    { label: "Address", value: (row) => row.address ?? "–" },
    { label: "Lasted", kind: "number", key: "duration", cell: (row) => duration(row.duration) },
    { label: "By", key: "by", kind: "short", cell: (row) => BY[row.by]?.cloneNode(true) ?? row.by },
    { label: "Code", key: "code", kind: "number", cell: (row) => String(row.code) },
    { label: "Reason", value: (row) => row.reason || CODES[row.code] || "–" },
  ],
  empty: "None was closed since the server was started.",
});

const listing = latest();

async function showOpen(more) {
  const after = more ? connections.at(-1)?.socket_id : undefined;
  const signal = listing();
  const found = await api(target("connections", { ...filters(), after, count: PAGE }), { signal });
  connections = more ? [...connections, ...found.connections] : found.connections;
  hasMore = found.more;
  open.update(connections);
  $("more").hidden = !hasMore;
  return found.silent_nodes;
}

const listingClosed = latest();

async function showClosed() {
  const { channel: _, ...others } = filters();
  const signal = listingClosed();
  const found = await api(target("closed_connections", { ...others, count: 1000 }), { signal });
  closed.update(found.connections);
}

async function refresh() {
  const [silent] = await Promise.all([showOpen(false), showClosed()]);
  if (silent.length) notice(`Without an answer: node ${silent.join(", ")}.`);
}

async function close(row) {
  const text = `The client of ${row.user_id ?? row.address ?? "this connection"} is disconnected with the code 4009. It may connect again.`;
  if (!(await confirmed({ title: `Close ${row.socket_id}?`, text, action: "Close it" }))) return;
  await api(target("connections", row.socket_id), { method: "DELETE" });
  notice(`The connection ${row.socket_id} was closed.`);
  await refresh();
}

$("open").append(open.element);
$("closed").append(closed.element);
$("more").onclick = () => run(() => showOpen(true), $("more"));
$("filters").onsubmit = (submit) => {
  submit.preventDefault();
  for (const [name, value] of Object.entries(filters())) remember(name, value);
  run(refresh);
};

start(async (session, chosen) => {
  app = chosen;
  for (const [name, id] of Object.entries(FILTERS)) $(id).value = query().get(name) ?? "";
  await refresh();
  // A list that was continued is not shortened again.
  repeat(async () => connections.length <= PAGE && refresh(), 5);
});
