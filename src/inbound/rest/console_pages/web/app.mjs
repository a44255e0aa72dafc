// One app: credentials, settings, deletion.
import { api, path } from "./api.mjs";
import { $, badge, copyable, facts, h, hiddenText, time } from "./elements.mjs";
import { confirmed, notice, run, start } from "./shell.mjs";

let app; // as the server last answered
let isAdministrator;

const target = (...parts) => path("apps", app.ident, ...parts);
const fields = [...document.querySelectorAll("[data-setting]")];
const inputOf = (field) => field.querySelector("input, select, textarea");

/** The form's text of a value; that of a hidden setting is never shown. */
function write(field, value) {
  const input = inputOf(field);
  switch (field.dataset.kind) {
    case "flag":
      input.checked = value === true;
      break;
    case "hidden":
      input.value = "";
      input.placeholder = value ? "is set; enter another to replace it" : "is not set";
      break;
    case "lines":
      input.value = (value ?? []).join("\n");
      break;
    case "json":
      input.value = value === null ? "" : JSON.stringify(value, null, 2);
      input.rows = Math.min(12, Math.max(2, input.value.split("\n").length));
      break;
    default:
      input.value = value ?? "";
  }
}

/** The value that the form has; throws where it is none. */
function read(field) {
  const input = inputOf(field);
  const text = input.value;
  switch (field.dataset.kind) {
    case "flag":
      return input.checked;
    case "number":
      if (input.validity.badInput) throw new Error(`${field.dataset.setting} must be a whole number.`);
      return text === "" ? null : Number(text);
    case "choice":
      return JSON.parse(/^\d+$/.test(text) ? text : JSON.stringify(text));
    case "lines":
      return text.split("\n").map((line) => line.trim()).filter(Boolean);
    case "json":
      try {
        return text.trim() === "" ? null : JSON.parse(text);
      } catch {
        throw new Error(`${field.dataset.setting} is not JSON.`);
      }
    default:
      return text === "" ? null : text;
  }
}

const same = (a, b) => JSON.stringify(a ?? null) === JSON.stringify(b ?? null);

/** Whether the user has changed a field since it was last shown. */
function isTouched(field) {
  const name = field.dataset.setting;
  try {
    const value = read(field);
    return field.dataset.kind === "hidden" ? value !== null : !same(value, app[name]) && !(value === null && app[name] === "");
  } catch {
    return true;
  }
}

function showChanges() {
  const touched = fields.filter(isTouched);
  $("changes").textContent = touched.length ? `Not saved: ${touched.map(({ dataset }) => dataset.setting).join(", ")}` : "";
  $("save").disabled = touched.length === 0;
  $("revert").disabled = touched.length === 0;
}

function showSettings() {
  for (const field of fields) {
    const name = field.dataset.setting;
    const isDefault = same(app[name], JSON.parse(field.dataset.default));
    write(field, app[name]);
    const isFixed = field.dataset.administrator && !isAdministrator;
    inputOf(field).disabled = isFixed;
    field.querySelector("[data-changed]").hidden = isDefault || name === "name";
    const reset = field.querySelector("[data-reset]");
    if (reset) reset.hidden = isDefault || isFixed;
  }
  showChanges();
}

function showCredentials() {
  const previous = app.previous_secret;
  facts($("credentials"), [
    ["Name", app.name],
    ["Id", copyable(app.ident, "the id")],
    ["Key", copyable(app.key, "the key")],
    ["Secret", app.secret ? hiddenText(app.secret, "the secret") : "known only to sessions that it has opened"],
    ["Previous secret", previous && [hiddenText(previous, "the previous secret"), badge("still valid", "warn")].flat()],
    ["Created", time(app.created)],
    ["Changed", time(app.modified)],
  ]);
  $("end-previous").hidden = !previous;
  const hasKey = Boolean(app.vapid_key);
  $("vapid").textContent = hasKey ? "The app has a VAPID key: browsers subscribe to its notifications with it." : "The app has no VAPID key. Web Push needs one.";
  $("make-vapid").textContent = hasKey ? "Replace the VAPID key" : "Create a VAPID key";
}

function show(changed) {
  app = changed;
  document.title = `${app.name} · Pushi`;
  showCredentials();
  showSettings();
}

const refresh = async () => show(await api(target()));

async function save() {
  const [body, reset] = [{}, []];
  for (const field of fields.filter(isTouched)) {
    const value = read(field);
    const name = field.dataset.setting;
    // Null counts as omitted: an emptied field is the default's.
    if (value === null) reset.push(name);
    else body[name] = value;
  }
  if (reset.length) body.reset = reset;
  show(await api(target(), { method: "PUT", body }));
  notice("The settings were saved. They apply on all nodes within a second.");
}

async function reset(name) {
  show(await api(target(), { method: "PUT", body: { reset: [name] } }));
  notice(`${name} has its default again.`);
}

async function rotate() {
  const text = "A new secret is made. The current one stays valid until you end it, so that back ends can change over.";
  if (!(await confirmed({ title: "Rotate the secret?", text, action: "Rotate" }))) return;
  show(await api(target("rotate"), { method: "POST" }));
  notice("The app has a new secret. Give it to your back ends, then end the previous one.");
}

async function endPrevious() {
  const text = "Back ends that still use it, and the sessions that it has opened, are refused from now on.";
  if (!(await confirmed({ title: "End the previous secret?", text, action: "End it" }))) return;
  await reset("previous_secret");
  notice("Only the current secret is valid now.");
}

async function endSessions() {
  const text = "Back ends and people have to log in again: you too, if you have signed in as this app. Connections stay open.";
  if (!(await confirmed({ title: "End all sessions of this app?", text, action: "End all" }))) return;
  await api(target("sessions", "revoke"), { method: "POST" });
  notice("All sessions of this app have ended.");
}

async function makeVapid() {
  const replace = Boolean(app.vapid_key);
  const text = "Browsers that subscribed with the current key get no more notifications until they subscribe again.";
  if (replace && !(await confirmed({ title: "Replace the VAPID key?", text, action: "Replace" }))) return;
  await api(target("vapid") + (replace ? "?replace=true" : ""), { method: "POST" });
  await refresh();
  notice("The app has a new VAPID key.");
}

async function remove() {
  const text = "Its events, subscriptions and targets are deleted, and its connections closed. This cannot be undone.";
  if (!(await confirmed({ title: `Delete “${app.name}”?`, text, action: "Delete", name: app.name }))) return;
  await api(target(), { method: "DELETE" });
  location.assign("apps");
}

$("rotate").onclick = () => run(rotate);
$("end-previous").onclick = () => run(endPrevious);
$("end-sessions").onclick = () => run(endSessions);
$("make-vapid").onclick = () => run(makeVapid);
$("delete").onclick = () => run(remove);
$("revert").onclick = showSettings;
$("settings").oninput = showChanges;
$("settings").onsubmit = (submit) => {
  submit.preventDefault();
  run(save).then(showChanges);
};
for (const field of fields) {
  const button = field.querySelector("[data-reset]");
  if (button) button.onclick = () => run(() => reset(field.dataset.setting));
}

start(async (session, chosen) => {
  isAdministrator = session.role === "administrator";
  $("delete-panel").hidden = !isAdministrator;
  app = chosen;
  await refresh();
});
