// Sessions and Web Push: the parts that need no browser. The browser's part is in tests/browser.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { after, afterEach, before, test } from "node:test";

import { ADMIN_TOKEN, Server } from "../node/server.mjs";
import { all, clients, options } from "./client.mjs";

let server;
let app;
let web;
before(async () => {
  server = await Server.start();
  app = await server.createApp();
  web = await clients(server, app);
});
afterEach(() => web.close());
after(() => server?.stop());

const credentials = (of = app) => ({ appId: of.ident, appSecret: of.secret });
const make = (settings, key) => web.make({ baseWebUrl: server.url, ...settings }, key);

/** Runs `step` with this `fetch`, and returns the requests: `[method, path and query, body]`. */
async function intercepted(answer, step) {
  const requests = [];
  const { fetch } = globalThis;
  globalThis.fetch = async (url, { method, body, headers }) => {
    requests.push([method, url.pathname + url.search, body && JSON.parse(body), headers]);
    return answer(url, method);
  };
  try {
    await step();
  } finally {
    globalThis.fetch = fetch;
  }
  return requests;
}

test("a login opens a session, and a logout ends it", options, async () => {
  const pushi = make();
  const logins = all(pushi, "login");
  const logouts = all(pushi, "logout");
  assert.equal(pushi.authenticated, false);
  await assert.rejects(pushi.getVapidPublicKey(), { name: "PushiError", code: 401 });
  const answer = await pushi.login(credentials());
  assert.match(answer.token, /^\w+$/);
  assert.equal(pushi.authenticated, true);
  assert.deepEqual(logins, [["login", answer]]);
  await assert.rejects(pushi.getVapidPublicKey(), { code: 404, message: /pushi app vapid/ });
  await pushi.logout();
  assert.deepEqual([pushi.authenticated, logouts.length], [false, 1]);
  await assert.rejects(pushi.getVapidPublicKey(), { code: 401 });
  const old = await fetch(`${server.url}/vapid_key`, { headers: { Authorization: `Bearer ${answer.token}` } });
  assert.equal(old.status, 401);
});

test("the credentials may be options, and wrong or missing ones are refused", options, async () => {
  const pushi = make(credentials());
  await pushi.login();
  assert.equal(pushi.authenticated, true);
  for (const settings of [{}, { appSecret: "secret" }]) await assert.rejects(make().login(settings), /App ID is required/);
  await assert.rejects(make({ appId: app.ident }).login(), /App secret is required/);
  const other = make();
  await assert.rejects(other.login({ appId: app.ident, appSecret: "wrong" }), { name: "PushiError", code: 401 });
  assert.equal(other.authenticated, false);
  // A session that the server has ended.
  await fetch(`${server.url}/logout`, { method: "POST", headers: { Authorization: `Bearer ${(await pushi.login()).token}` } });
  await assert.rejects(pushi.getVapidPublicKey(), { code: 401 });
  assert.equal(pushi.authenticated, false);
});

test("another app has another session", options, async () => {
  const other = await server.createApp();
  const pushi = make();
  await pushi.login(credentials());
  await pushi.reconfig(other.key);
  assert.equal(pushi.authenticated, false);
  await assert.rejects(pushi.getVapidPublicKey(), { code: 401 });
});

test("the app's public key is answered by promise and by callback", options, async () => {
  const own = await server.createApp();
  const pushi = make({}, own.key);
  await pushi.login(credentials(own));
  const failed = await new Promise((done) => pushi.getVapidPublicKey((...values) => done(values)));
  assert.deepEqual([failed[0].code, failed[1]], [404, null]);
  const authorization = { Authorization: `Bearer ${ADMIN_TOKEN}` };
  const made = await fetch(`${server.url}/apps/${own.ident}/vapid`, { method: "POST", headers: authorization });
  const key = (await made.json()).vapid_public_key;
  assert.equal(Buffer.from(key, "base64url").length, 65);
  assert.equal(await pushi.getVapidPublicKey(), key);
  assert.deepEqual(await new Promise((done) => pushi.getVapidPublicKey((...values) => done(values))), [null, key]);
});

test("where notifications are not supported, an error says so", options, async () => {
  const pushi = make();
  await assert.rejects(pushi.setupWebPush("news"), /Login required/);
  await assert.rejects(pushi.teardownWebPush("news"), /Login required/);
  await assert.rejects(pushi.requestNotificationPermission(), /Notifications not supported/);
  await assert.rejects(pushi.registerServiceWorker(), /Service workers not supported/);
  await pushi.login(credentials());
  await assert.rejects(pushi.setupWebPush("news"), /Notifications not supported/);
});

/** A registration of a service worker that becomes active a little later. */
function registration(refusal) {
  const worker = Object.assign(new EventTarget(), { state: "installing" });
  const advance = async () => {
    for (const state of ["installed", "activating", "activated"]) {
      await new Promise(setImmediate);
      worker.state = state;
      worker.dispatchEvent(new Event("statechange"));
    }
  };
  advance();
  const calls = [];
  const pushManager = {
    getSubscription: async () => ({ unsubscribe: async () => calls.push("unsubscribe") }),
    subscribe: async (settings) => {
      calls.push([worker.state, settings]);
      if (refusal && calls.length === 1) throw Object.assign(new Error("refused"), { name: refusal });
      return "a subscription";
    },
  };
  return { installing: worker, pushManager, calls };
}

const KEY = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";

test("a worker subscribes once it is active, with the key's bytes", options, async () => {
  const worker = registration();
  assert.equal(await make().subscribeToPush(worker, KEY), "a subscription");
  const applicationServerKey = new Uint8Array(Buffer.from(KEY, "base64url"));
  assert.deepEqual(worker.calls, [["activated", { userVisibleOnly: true, applicationServerKey }]]);
});

test("a subscription with an older key is replaced, and another refusal is passed on", options, async () => {
  const worker = registration("InvalidStateError");
  assert.equal(await make().subscribeToPush(worker, KEY), "a subscription");
  assert.deepEqual(worker.calls.map((one) => (Array.isArray(one) ? "subscribe" : one)), ["subscribe", "unsubscribe", "subscribe"]);
  const refused = registration("NotAllowedError");
  await assert.rejects(make().subscribeToPush(refused, KEY), { name: "NotAllowedError" });
  assert.equal(refused.calls.length, 1);
});

test("a subscription's members are extracted and sent", options, async () => {
  const pushi = make();
  const [endpoint, p256dh, auth] = ["https://push.example/a/b?c=d", "point", "browser's secret"];
  const info = pushi.extractSubscriptionInfo({ toJSON: () => ({ endpoint, expirationTime: null, keys: { p256dh, auth } }) });
  assert.deepEqual(info, { endpoint, p256dh, auth });
  const ok = () => new Response('{"id":"1"}');
  const requests = await intercepted(ok, async () => {
    assert.deepEqual(await pushi.sendSubscriptionToServer(info, "news"), { id: "1" });
    await pushi.sendSubscriptionToServer(info, "private-a", { auth: "key:signature", unsubscribe: true });
    await pushi.sendSubscriptionToServer(info, "private-a", { auth: async (of, event) => `${of}|${event}` });
    await pushi.removeSubscriptionFromServer(endpoint, "a&b");
    await pushi.removeSubscriptionFromServer(endpoint);
  });
  const encoded = encodeURIComponent(endpoint);
  assert.deepEqual(requests.map((one) => one.slice(0, 3)), [
    ["POST", "/web_pushes", { ...info, event: "news" }],
    ["POST", "/web_pushes?auth=key%3Asignature&unsubscribe=true", { ...info, event: "private-a" }],
    ["POST", "/web_pushes?auth=https%3A%2F%2Fpush.example%2Fa%2Fb%3Fc%3Dd%7Cprivate-a", { ...info, event: "private-a" }],
    ["DELETE", `/web_pushes/${encoded}?event=a%26b`, undefined],
    ["DELETE", `/web_pushes/${encoded}`, undefined],
  ]);
  const withSecret = make({ appSecret: app.secret });
  for (const channel of ["private-a", "presence-a", "personal-a", "peer-a:b&c"]) {
    const [[, path]] = await intercepted(ok, () => withSecret.sendSubscriptionToServer(info, channel));
    const hash = createHmac("sha256", app.secret).update(`${endpoint}:${channel}`).digest("hex");
    assert.equal(path, `/web_pushes?auth=${encodeURIComponent(`${app.key}:${hash}`)}`);
  }
  const [[, open]] = await intercepted(ok, () => withSecret.sendSubscriptionToServer(info, "news"));
  assert.equal(open, "/web_pushes");
});

test("the server's address may have a path, and its failures are errors", options, async () => {
  const pushi = make({ baseWebUrl: "https://push.example/realtime" });
  const requests = await intercepted(
    () => new Response('{"vapid_public_key":"k"}'),
    async () => assert.equal(await pushi.getVapidPublicKey(), "k"),
  );
  assert.deepEqual(requests[0].slice(0, 2), ["GET", "/realtime/vapid_key"]);
  const failed = (response) => intercepted(response, () => assert.rejects(pushi.getVapidPublicKey(), { name: "PushiError", message: /^GET \/vapid_key / }));
  await failed(() => new Response("<h1>Bad gateway</h1>", { status: 502 }));
  await failed(() => {
    throw new TypeError("no route to host");
  });
});
