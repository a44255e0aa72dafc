// Uses `openapi-fetch` with the types of `openapi-typescript`; prints what it read.
import createClient, { type Client } from "openapi-fetch";

import type { components, paths } from "./client/schema.js";

declare const process: { env: Record<string, string | undefined> };

function setting(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set`);
  return value;
}

function connect(token?: string): Client<paths> {
  const headers = token === undefined ? {} : { Authorization: `Bearer ${token}` };
  return createClient<paths>({ baseUrl: setting("PUSHI_URL"), headers });
}

function given<T>(answer: { data?: T; error?: unknown }): T {
  if (answer.data === undefined) throw new Error(JSON.stringify(answer.error));
  return answer.data;
}

const ident = setting("PUSHI_APP_ID");
const credentials = { app_id: ident, app_key: setting("PUSHI_APP_KEY"), app_secret: setting("PUSHI_APP_SECRET") };
const { token } = given(await connect().POST("/login", { body: credentials }));
const client = connect(token);
const admin = connect(setting("PUSHI_ADMIN"));

const publications: components["schemas"]["Publication"][] = [
  { channel: ["steps"], event: "text", data: "a text" },
  { channel: ["steps"], event: "object", data: { n: 1 } },
  { channel: ["first", "second"], event: "two", data: "two" },
  { channel: ["steps"], event: "more", data: "more", extra: { a: [1, null] } },
  { data: "alone" },
];
const published: string[] = [];
for (const body of publications) published.push(given(await client.POST("/events", { body })).result);

const path = { user_id: "ann", event: "news" };
const subscribed = given(await client.POST("/subscriptions", { body: path }));
const listed = given(await client.GET("/subscriptions", { params: { query: { user_id: "ann" } } }));
const end = () => client.DELETE("/subscriptions/{user_id}/{event}", { params: { path } });
const ended = given(await end());
const again = given(await end());
const change = (body: components["schemas"]["AppChange"]) =>
  client.PUT("/apps/{ident}", { params: { path: { ident } }, body });
const renamed = given(await change({ name: "renamed" }));
const reset = given(await change({ reset: ["client_events"] }));
const [event] = given(await client.GET("/events", { params: { query: { count: 1, channel: "steps" } } })).events;
const missing = await client.GET("/sockets/{socket_id}", { params: { path: { socket_id: "1.1" } } });
const unauthorized = await connect("unknown").GET("/sockets");
const created = given(await admin.POST("/apps", { body: { name: "created" } }));
const health = given(await admin.GET("/health/detailed"));

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
