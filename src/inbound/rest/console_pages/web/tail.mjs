// The live tail: events as they are published, read from one answer that does not end.
import { path, stream } from "./api.mjs";
import { $, download, h, payload, preview, time } from "./elements.mjs";
import { notice, problem, query, remember, run, start } from "./shell.mjs";

/** The most events that the page keeps, and the most bytes of their payloads. */
const [MOST, MOST_BYTES] = [500, 8_000_000];
const RETRY = 2000; // ms

let app;
let shown = []; // entries, newest first
let bytes = 0;
let waiting = []; // entries that the next frame shows
let isPaused = false;
let missed = { server: 0, page: 0, pause: 0 };
let reading; // ends the request

const size = (entry) => (entry.data?.length ?? 0) + 200;

function showLeftOut() {
  const parts = [
    missed.server && `${missed.server} by the server, because they were published faster than they could be sent`,
    missed.pause && `${missed.pause} while it was paused`,
    missed.page && `${missed.page} older ones, to keep the page small`,
  ].filter(Boolean);
  $("left-out").hidden = parts.length === 0;
  $("left-out").textContent = `Left out: ${parts.join("; ")}.`;
}

const publisherOf = (entry) => (entry.publisher === "rest" ? "back end" : `connection ${entry.socket_id ?? "?"}${entry.user_id ? `, user ${entry.user_id}` : ""}`);

function item(entry) {
  const recipients = String(entry.recipients ?? "unknown");
  const pairs = [["Publisher", publisherOf(entry)], ["Recipients", recipients], ["Serial", entry.serial ?? "not stored"], ["mid", entry.mid], ["Node", entry.node]];
  const facts = h("dl", { className: "facts" }, pairs.filter(([, value]) => (value ?? null) !== null).flatMap(([term, value]) => [h("dt", {}, term), h("dd", {}, String(value))]));
  const summary = h("summary", {}, time(entry.time), h("span", { className: "badge" }, entry.channel), h("span", { className: "name" }, entry.event), h("span", { className: "preview" }, preview(entry.data)), h("span", { className: "quiet" }, `→ ${recipients}`));
  const details = h("details", {}, summary);
  // Drawn when it is opened: most are not.
  details.addEventListener("toggle", () => details.open && details.children.length === 1 && details.append(facts, h("pre", { tabIndex: 0 }, payload(entry.data))), { once: true });
  return h("li", { className: "new" }, details);
}

/** Once a frame, however many events arrive. */
function draw() {
  const entries = waiting;
  waiting = [];
  const items = entries.map(item).reverse();
  shown = [...entries.toReversed(), ...shown];
  $("events").prepend(...items);
  bytes += entries.reduce((sum, entry) => sum + size(entry), 0);
  while (shown.length > MOST || (bytes > MOST_BYTES && shown.length > 1)) {
    bytes -= size(shown.pop());
    $("events").lastChild.remove();
    missed.page += 1;
  }
  $("empty").hidden = shown.length > 0;
  showLeftOut();
}

function take(entry) {
  if (isPaused) {
    missed.pause += 1;
    if (missed.pause % 100 === 1) showLeftOut();
    return;
  }
  if (waiting.length === 0) requestAnimationFrame(draw);
  waiting.push(entry);
  if (waiting.length > MOST) {
    waiting.shift();
    missed.page += 1;
  }
}

/** Nodes that watch, and those that do not answer. */
function watching({ nodes, silent_nodes: silent }) {
  const count = nodes.length === 1 ? "1 node" : `${nodes.length} nodes`;
  $("state").textContent = `Watching ${count}${silent.length ? `; without an answer: ${silent.join(", ")}` : ""}`;
}

function receive(entry) {
  if (entry.type === "event") take(entry);
  else if (entry.type === "skipped") {
    missed.server += entry.count;
    showLeftOut();
  } else if (entry.type === "open" || entry.type === "nodes") watching(entry);
  // The next request learns what is wrong.
  else if (entry.type === "end") $("state").textContent = "Connecting again …";
}

/** Reads lines until the answer ends. */
async function read(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) if (line) receive(JSON.parse(line));
  }
}

/** Watches until `signal` says no; an answer that has ended is asked for again. */
async function watch(signal) {
  const filter = { channel_prefix: $("prefix").value.trim(), event: $("event").value.trim() };
  while (!signal.aborted) {
    try {
      const answer = await stream(path("apps", app.ident, "tail", filter), signal);
      problem(null);
      await read(answer.body);
    } catch (error) {
      if (signal.aborted) return;
      if (error.status) problem(error);
      $("state").textContent = "Connecting again …";
    }
    await new Promise((again) => setTimeout(again, RETRY));
  }
}

function begin() {
  reading?.abort();
  reading = new AbortController();
  $("state").textContent = "Connecting …";
  watch(reading.signal);
}

function clear() {
  [shown, waiting, bytes] = [[], [], 0];
  missed = { server: 0, page: 0, pause: 0 };
  $("events").replaceChildren();
  $("empty").hidden = false;
  showLeftOut();
}

$("pause").onclick = () => {
  isPaused = !isPaused;
  $("pause").textContent = isPaused ? "Continue" : "Pause";
  showLeftOut();
};
$("clear").onclick = clear;
$("export").onclick = () => {
  const lines = shown.toReversed().map((entry) => `${JSON.stringify(entry)}\n`);
  download(`events-${app.ident}.ndjson`, "application/x-ndjson", lines.join(""));
  notice(`Exported ${shown.length} events.`);
};
$("filters").onsubmit = (submit) => {
  submit.preventDefault();
  remember("prefix", $("prefix").value.trim());
  remember("event", $("event").value.trim());
  clear();
  run(async () => begin());
};
addEventListener("pagehide", () => reading?.abort());

start(async (session, chosen) => {
  app = chosen;
  for (const name of ["prefix", "event"]) $(name).value = query().get(name) ?? "";
  begin();
});
