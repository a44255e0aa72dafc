// The list of apps, and creating one.
import { api } from "./api.mjs";
import { $, badge, copyable, facts, h, time } from "./elements.mjs";
import { notice, run, start } from "./shell.mjs";
import { table } from "./table.mjs";

const list = table({
  caption: "Apps",
  id: (app) => app.ident,
  columns: [
    { label: "Name", key: "name", cell: (app) => h("a", { href: `app?${new URLSearchParams({ app: app.ident })}` }, app.name) },
    { label: "Id", key: "ident", cell: (app) => h("code", {}, app.ident) },
    { label: "Key", key: "key", cell: (app) => h("code", {}, app.key) },
    { label: "State", kind: "short", value: (app) => (app.enabled ? "enabled" : "disabled"), cell: (app) => (app.enabled ? badge("enabled", "good") : badge("disabled", "bad")) },
    { label: "Created", key: "created", kind: "short", cell: (app) => time(app.created) },
  ],
  empty: "There is no app yet. Give it a name above: it gets a key and a secret of its own.",
});

async function refresh() {
  const { apps } = await api("apps");
  list.update(apps);
}

async function create() {
  const app = await api("apps", { method: "POST", body: { name: $("name").value } });
  $("created").hidden = false;
  facts($("credentials"), [
    ["Id", copyable(app.ident, "the id")],
    ["Key", copyable(app.key, "the key")],
    ["Secret", copyable(app.secret, "the secret")],
    ["Next", h("a", { href: `app?${new URLSearchParams({ app: app.ident })}` }, "Settings of this app")],
  ]);
  $("created-title").textContent = `Created “${app.name}”`;
  $("name").value = "";
  await refresh();
  notice(`The app “${app.name}” was created.`);
}

$("list").append(list.element);
$("create").onsubmit = (submit) => {
  submit.preventDefault();
  run(create, $("create").querySelector("button"));
};
start(async (session) => {
  $("create").hidden = session.role !== "administrator";
  await refresh();
});
