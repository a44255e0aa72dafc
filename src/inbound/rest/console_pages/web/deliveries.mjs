// Web hooks and notifications: their state, what the receivers answered, and sending them again.
import { api, path } from "./api.mjs";
import { $, badge, h, number, time } from "./elements.mjs";
import { notice, repeat, run, start } from "./shell.mjs";
import { table } from "./table.mjs";

const PAGE = 50;

let app;
let deliveries = [];

const target = (...parts) => path("apps", app.ident, ...parts);

const MEANING = { delivered: "good", done: "good", waiting: "warn", given_up: "bad", failed: "bad", lost: "bad" };
const state = (row) => badge(row.state.replace("_", " "), MEANING[row.state]);

/** What the receiver answered, in words. */
const response = (row) => [row.status && `HTTP ${row.status}`, row.problem].filter(Boolean).join(": ") || "–";

const isFailed = (row) => ["given_up", "failed", "lost", "waiting"].includes(row.state);

const verb = (row) => (row.state === "waiting" ? "Send now" : "Send again");

const replayButton = (row, what, action) =>
  isFailed(row) && h("button", { type: "button", className: "plain small", "aria-label": `${verb(row)}: ${what}`, onclick: (click) => run(action, click.target) }, verb(row));

const waiting = table({
  caption: "Web hooks that wait",
  id: (row) => row.address,
  columns: [
    { label: "Receiver", key: "address" },
    { label: "Events", key: "events", kind: "number", cell: (row) => number(row.events) },
    { label: "Attempts", key: "attempts", kind: "number", cell: (row) => number(row.attempts) },
    { label: "Next attempt", key: "next_attempt", kind: "short", cell: (row) => time(row.next_attempt) },
    { label: "Last response", value: response },
  ],
  empty: "Nothing waits: every receiver has what there was for it.",
});

const hooks = table({
  caption: "Web hook deliveries",
  id: (row) => row.id,
  columns: [
    { label: "Time", key: "time", kind: "short", cell: (row) => time(row.time) },
    { label: "Receiver", key: "address" },
    { label: "State", key: "state", kind: "short", cell: state },
    { label: "Events", key: "events", kind: "number", cell: (row) => number(row.events) },
    { label: "Attempts", key: "attempts", kind: "number", cell: (row) => number(row.attempts) },
    { label: "Response", value: response },
    { label: "Action", plain: true, value: (row) => isFailed(row), cell: (row) => replayButton(row, `the events for ${row.address}`, () => replayHook(row)) || "" },
  ],
  empty: "No web hook was sent yet. Add a receiver in the app’s settings, under “Web hooks”.",
});

const notifications = table({
  caption: "Notifications",
  id: (row) => row.id,
  columns: [
    { label: "Created", key: "created", kind: "short", cell: (row) => time(row.created) },
    { label: "Kind", key: "kind", kind: "short" },
    { label: "Target", key: "target" },
    { label: "Channel", key: "channel" },
    { label: "Event", key: "event" },
    { label: "State", key: "state", kind: "short", cell: state },
    { label: "Attempts", key: "attempts", kind: "number", cell: (row) => number(row.attempts) },
    { label: "Response", value: response },
    { label: "Next attempt", key: "next_attempt", kind: "short", cell: (row) => time(row.next_attempt) },
    { label: "Action", plain: true, value: (row) => isFailed(row), cell: (row) => replayButton(row, `the notification for ${row.target}`, () => replayNotification(row)) || "" },
  ],
  empty: "There is no such notification. Register a target for a channel, for example by POST /webs, and publish to it.",
});

async function showHooks(older) {
  const before = older ? deliveries.at(-1)?.id : undefined;
  const found = await api(target("webhook_deliveries", { before, count: PAGE }));
  deliveries = older ? [...deliveries, ...found.deliveries] : found.deliveries;
  waiting.update(found.waiting);
  hooks.update(deliveries);
  $("older").hidden = found.deliveries.length < PAGE;
}

async function showNotifications() {
  const found = await api(target("notifications", { kind: $("kind").value, state: $("state").value, count: 200 }));
  notifications.update(found.notifications);
}

async function replayHook(row) {
  const { events } = await api(target("webhook_deliveries", String(row.id), "replay"), { method: "POST" });
  notice(`${events} ${events === 1 ? "event is" : "events are"} sent to ${row.address} again.`);
  await showHooks(false);
}

async function replayNotification(row) {
  await api(target("notifications", row.id, "replay"), { method: "POST" });
  notice(`The notification for ${row.target} is sent again.`);
  await showNotifications();
}

const refresh = () => Promise.all([showHooks(false), showNotifications()]);

$("waiting").append(waiting.element);
$("hooks").append(hooks.element);
$("notifications").append(notifications.element);
$("older").onclick = () => run(() => showHooks(true), $("older"));
$("filters").onsubmit = (submit) => submit.preventDefault();
for (const id of ["kind", "state"]) $(id).onchange = () => run(showNotifications);

start(async (session, chosen) => {
  app = chosen;
  await refresh();
  // A list that was continued is not shortened again.
  repeat(async () => deliveries.length <= PAGE && refresh(), 5);
});
