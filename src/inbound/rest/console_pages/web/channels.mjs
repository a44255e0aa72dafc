// Occupied channels; of the chosen one its members and history, and publishing to it.
import { api, path } from "./api.mjs";
import { $, h, isJson, number, payload, preview, time } from "./elements.mjs";
import { latest, notice, query, remember, run, start } from "./shell.mjs";
import { table } from "./table.mjs";

const PAGE = 100;
const EVENTS = 20;

let app;
let channel; // the name of the chosen one
let channels = [];
let oldest; // the serial of the oldest shown event

const target = (...parts) => path("apps", app.ident, ...parts);

const list = table({
  caption: "Occupied channels",
  id: (one) => one.channel,
  columns: [
    { label: "Channel", key: "channel", cell: (one) => h("button", { type: "button", className: "link", onclick: () => run(() => open(one.channel, true)) }, one.channel) },
    { label: "Kind", key: "kind", kind: "short" },
    { label: "Subscriptions", key: "subscriptions", kind: "number", cell: (one) => number(one.subscriptions) },
    { label: "Users", kind: "number", value: (one) => (one.kind === "presence" ? one.users : -1), cell: (one) => (one.kind === "presence" ? number(one.users) : "–") },
  ],
  empty: "Nobody is subscribed to such a channel. Connect a client, or open a channel below by its name to see what was published to it.",
});

const members = table({
  caption: "Members",
  id: (member) => member.user_id,
  columns: [
    { label: "User", key: "user_id" },
    { label: "Data", key: "data", cell: (member) => h("code", {}, preview(member.data)) },
  ],
  empty: "Nobody is present.",
});

const searching = latest();

async function search(more) {
  const after = more ? channels.at(-1)?.channel : undefined;
  const signal = searching();
  const found = await api(target("occupied_channels", { prefix: $("prefix").value, after, count: PAGE }), { signal });
  channels = more ? [...channels, ...found.channels] : found.channels;
  list.update(channels);
  $("more").hidden = !found.more;
}

/** An event of the history, its payload on demand. */
function eventItem(event) {
  const { data } = event;
  const facts = h("dl", { className: "facts" });
  const pairs = [["Serial", event.serial], ["Id", event.id], ["mid", event.mid], ["Publisher", event.owner_id ? `connection ${event.owner_id}` : "back end"]];
  facts.append(...pairs.flatMap(([term, value]) => [h("dt", {}, term), h("dd", {}, String(value ?? "–"))]));
  const summary = h("summary", {}, time(event.timestamp), h("span", { className: "name" }, data.event), h("span", { className: "preview" }, preview(data.data)));
  return h("li", {}, h("details", {}, summary, facts, h("pre", { tabIndex: 0 }, payload(data.data))));
}

const reading = latest();

async function showHistory(older) {
  const query = { channel, before: older ? oldest : undefined, count: EVENTS };
  const { events } = await api(target("history", query), { signal: reading() });
  const items = events.map(eventItem);
  if (older) $("history").append(...items);
  else $("history").replaceChildren(...items);
  oldest = events.at(-1)?.serial ?? oldest;
  $("older").hidden = events.length < EVENTS || oldest <= 1;
  const isEmpty = $("history").children.length === 0;
  $("history").hidden = isEmpty;
  $("history-empty").hidden = !isEmpty;
  $("history-empty").textContent = "Nothing is stored for this channel. Publish an event with “Store it” checked.";
}

const counting = latest();

async function showMembers() {
  const isPresence = channel.startsWith("presence-");
  $("members-part").hidden = !isPresence;
  const signal = counting();
  if (!isPresence) return;
  const found = await api(target("members", { channel }), { signal });
  members.update(found.members);
}

async function open(name, moves) {
  channel = name;
  oldest = undefined;
  $("history").replaceChildren();
  members.update([]);
  remember("channel", name);
  $("channel-title").textContent = name;
  $("channel-empty").hidden = true;
  $("channel-content").hidden = false;
  if (moves) $("channel-title").focus();
  await Promise.all([showMembers(), showHistory(false)]);
}

/** JSON is published as it is written, everything else as text. */
function data() {
  const text = $("data").value;
  return isJson(text) ? text : JSON.stringify(text);
}

async function publish() {
  const members = JSON.stringify({ channel, event: $("event").value, persist: $("persist").checked });
  await api(target("publish"), { method: "POST", body: `${members.slice(0, -1)},"data":${data()}}` });
  notice(`Published “${$("event").value}” to ${channel}.`);
  await showHistory(false);
}

$("list").append(list.element);
$("members").append(members.element);
$("search").onsubmit = (submit) => {
  submit.preventDefault();
  run(() => search(false));
};
let typing;
$("prefix").oninput = () => {
  clearTimeout(typing);
  typing = setTimeout(() => run(() => search(false)), 250);
};
$("more").onclick = () => run(() => search(true), $("more"));
$("open").onsubmit = (submit) => {
  submit.preventDefault();
  run(() => open($("open-name").value.trim(), true));
};
$("publish").onsubmit = (submit) => {
  submit.preventDefault();
  run(publish, $("publish").querySelector("button"));
};
$("refresh").onclick = () => run(() => Promise.all([showMembers(), showHistory(false)]), $("refresh"));
$("older").onclick = () => run(() => showHistory(true), $("older"));

start(async (session, chosen) => {
  app = chosen;
  await search(false);
  const wanted = query().get("channel");
  if (wanted) await open(wanted, false);
});
