// Uses the client of `@hey-api/openapi-ts`; prints what it read.
import { type Client, createClient } from "./client/client/index.js";
import * as api from "./client/index.js";

declare const process: { env: Record<string, string | undefined> };

function setting(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set`);
  return value;
}

function connect(token?: string): Client {
  return createClient({ baseUrl: setting("PUSHI_URL"), ...(token === undefined ? {} : { auth: token }) });
}

function given<T, E>(answer: { data: T; error: undefined } | { data: undefined; error: E }): NonNullable<T> {
  if (answer.data === undefined || answer.data === null) throw new Error(JSON.stringify(answer.error));
  return answer.data;
}

const ident = setting("PUSHI_APP_ID");
const credentials = { app_id: ident, app_key: setting("PUSHI_APP_KEY"), app_secret: setting("PUSHI_APP_SECRET") };
const { token } = given(await api.login({ client: connect(), body: credentials }));
const client = connect(token);
const admin = connect(setting("PUSHI_ADMIN"));

const publications: api.Publication[] = [
  { channel: ["steps"], event: "text", data: "a text" },
  { channel: ["steps"], event: "object", data: { n: 1 } },
  { channel: ["first", "second"], event: "two", data: "two" },
  { channel: ["steps"], event: "more", data: "more", extra: { a: [1, null] } },
  { data: "alone" },
];
const published: string[] = [];
for (const body of publications) published.push(given(await api.publishEvent({ client, body })).result);

const path = { user_id: "ann", event: "news" };
const subscribed = given(await api.createSubscription({ client, body: path }));
const listed = given(await api.listSubscriptions({ client, query: { user_id: "ann" } }));
const ended = given(await api.deleteSubscription({ client, path }));
const again = given(await api.deleteSubscription({ client, path }));
const renamed = given(await api.updateApp({ client, path: { ident }, body: { name: "renamed" } }));
const reset = given(await api.updateApp({ client, path: { ident }, body: { reset: ["client_events"] } }));
const [event] = given(await api.listEvents({ client, query: { count: 1, channel: "steps" } })).events;
const missing = await api.getSocket({ client, path: { socket_id: "1.1" } });
const unauthorized = await api.listSockets({ client: connect("unknown") });
const created = given(await api.createApp({ client: admin, body: { name: "created" } }));
const health = given(await api.getDetailedHealth({ client: admin }));

console.log(
  JSON.stringify({
    published,
    subscribed: subscribed.event,
    listed: listed.subscriptions.map((one) => one.event),
    ended: [ended.event, again.result],
    renamed: renamed.name,
    reset: reset.client_events,
    event: event?.data.event,
    time: event?.timestamp,
    missing: missing.error?.code,
    unauthorized: unauthorized.error?.code,
    created: created.ident,
    health: health.checks.database.status,
  }),
);
