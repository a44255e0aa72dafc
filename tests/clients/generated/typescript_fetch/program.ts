// Uses the client of openapi-generator's `typescript-fetch`; prints what it read.
import {
  AppChangeResetEnum,
  AppsApi,
  Configuration,
  type ErrorAnswer,
  ErrorAnswerFromJSON,
  EventsApi,
  HealthApi,
  type Publication,
  ResponseError,
  SessionsApi,
  SocketsApi,
  SubscriptionsApi,
} from "./client/index.js";

declare const process: { env: Record<string, string | undefined> };

function setting(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set`);
  return value;
}

function configuration(token?: string): Configuration {
  return new Configuration({ basePath: setting("PUSHI_URL"), ...(token === undefined ? {} : { accessToken: token }) });
}

/** The code in the typed error of an operation. */
async function code(operation: Promise<unknown>): Promise<number> {
  try {
    await operation;
  } catch (error) {
    if (!(error instanceof ResponseError)) throw error;
    const answer: ErrorAnswer = ErrorAnswerFromJSON(await error.response.json());
    return answer.code;
  }
  throw new Error("no error");
}

const ident = setting("PUSHI_APP_ID");
const credentials = { appId: ident, appKey: setting("PUSHI_APP_KEY"), appSecret: setting("PUSHI_APP_SECRET") };
const { token } = await new SessionsApi(configuration()).login({ credentials });
const session = configuration(token);
const admin = configuration(setting("PUSHI_ADMIN"));
const events = new EventsApi(session);
const subscriptions = new SubscriptionsApi(session);
const apps = new AppsApi(session);

const publications: Publication[] = [
  { channel: ["steps"], event: "text", data: "a text" },
  { channel: ["steps"], event: "object", data: { n: 1 } },
  { channel: ["first", "second"], event: "two", data: "two" },
  { channel: ["steps"], event: "more", data: "more", extra: { a: [1, null] } },
  { data: "alone" },
];
const published: string[] = [];
for (const publication of publications) published.push((await events.publishEvent({ publication })).result);

const subscriptionWish = { userId: "ann", event: "news" };
const subscribed = await subscriptions.createSubscription({ subscriptionWish });
const listed = await subscriptions.listSubscriptions({ userId: "ann" });
const ended = await subscriptions.deleteSubscription({ userId: "ann", event: "news" });
const again = await subscriptions.deleteSubscription({ userId: "ann", event: "news" });
const renamed = await apps.updateApp({ ident, appChange: { name: "renamed" } });
const reset = await apps.updateApp({ ident, appChange: { reset: [AppChangeResetEnum.ClientEvents] } });
const [event] = (await events.listEvents({ count: 1, channel: "steps" })).events;
const created = await new AppsApi(admin).createApp({ appDraft: { name: "created" } });
const health = await new HealthApi(admin).getDetailedHealth();

console.log(
  JSON.stringify({
    published,
    subscribed: subscribed.event,
    listed: listed.subscriptions.map((one) => one.event),
    ended: [ended.event, again.result],
    renamed: renamed.name,
    reset: reset.clientEvents,
    event: event?.data.event,
    time: event?.timestamp,
    missing: await code(new SocketsApi(session).getSocket({ socketId: "1.1" })),
    unauthorized: await code(new SocketsApi(configuration("unknown")).listSockets()),
    created: created.ident,
    health: health.checks.database.status,
  }),
);
