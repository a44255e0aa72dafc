// Compiled strictly, never run: each way to use the client has its types.
import Standard, { Channel, Observable, Pushi, PushiError } from "./pushi.mjs";
import type { ChannelState, Gap, Member, PushiEvent, PushiOptions, Stored, StoredEvent, SubscriptionInfo } from "./pushi.mjs";

const options: PushiOptions = {
  baseUrl: "ws://127.0.0.1:9090/",
  authEndpoint: "/auth",
  authHeaders: async () => ({ Authorization: "Bearer …" }),
  authorizer: async (socketId, channel) => ({ auth: `${socketId}${channel}`, channel_data: { user_id: "ann", peer: true } }),
  timeout: 1_000,
  WebSocket,
};
const pushi: Pushi = new Pushi("key", options);
const same: Pushi = new Standard("key");

pushi.bind("connect", function (event) {
  const name: string = event;
  const id: string | null = this.socketId;
  console.log(name, id);
});
pushi.bind("message", function (event, data, channel, mid, timestamp) {
  const text: string = data.trim() + channel.trim() + event.trim();
  const id: string | undefined = mid;
  const time: number | undefined = timestamp;
  console.log(text, id, time, this.state);
});
// A handler may declare narrower or fewer parameters.
pushi.bind("message", (_event: string, data: string, channel: string, mid: string, timestamp: number) => console.log(data, channel, mid, timestamp));
pushi.bind("message", (event, data) => console.log(event, data), true);
pushi.bind("message", () => undefined);
pushi.bind("subscribe", (_event, channel, data) => console.log(channel.trim(), data.members["ann"]?.user_id));
pushi.bind("member_added", (_event, channel, member) => console.log(channel, member.user_id));
pushi.bind("error", (_event, error, channel) => console.log(error.code, error.message, channel.trim()));
pushi.bind("gap", (_event, channel, gap) => console.log(channel.trim(), gap.since + gap.serial));
pushi.unbind("message");

const channel: Channel = pushi.subscribe("room", false, function (event, data) {
  console.log(this.name, event, data.alias);
});
channel.bind("message", function (event, data, mid, timestamp) {
  console.log(event, data, mid, timestamp, this.name);
});
channel.bind("error", (_event, error) => console.log(error instanceof PushiError, error.channel));
channel.bind("member_removed", (_event, member: Member) => console.log(member["name"]));
channel.bind("gap", (_event, gap: Gap) => console.log(gap.events));

async function use(): Promise<void> {
  const ready: Channel = await channel.ready;
  const stored: Stored = await ready.send("message", { x: 1 });
  const nothing: undefined = await ready.send("message", "x", false, false);
  const perhaps: Stored | undefined = await ready.send("message", "x", false, Math.random() > 0.5);
  const state: ChannelState = await channel.latest(0, 10, (_event, data) => console.log(data.events));
  const event: StoredEvent | undefined = state.events[0];
  await pushi.latest("room");
  await pushi.sendChannel("message", [1], "room", true, true);
  await pushi.sendEvent("pusher:ping", {});
  await channel.unsubscribe((_event, data) => console.log(data.name));
  await pushi.unsubscribe("room");
  for await (const e of channel.events("message")) {
    const one: PushiEvent = e;
    console.log(one.data, one.serial);
  }
  await pushi.reopen(() => undefined);
  await pushi.reconfig("other", { baseUrl: "wss://example.com" });
  const other: Pushi = pushi.clone();
  pushi.invalidate();
  pushi.invalidate("room");
  await other.close(() => console.log("closed"));
  console.log(stored.mid, stored.serial, nothing, perhaps, event?.data.data, pushi.channels["room"]?.subscribed, same);
}
void use();

class Model extends Observable {}
new Model().bind("change", (_event, value: number) => console.log(value), true).trigger("change", 1);

async function push(): Promise<void> {
  const version: string = Pushi.VERSION;
  const empty: Channel = pushi.ensureChannel("room");
  const valid: boolean = pushi.isValid("key", "wss://example.com");
  const sent: Stored | undefined = await pushi.send({ event: "message", channel: "room", data: "x" });
  pushi.bind("login", (_event, { token }) => console.log(token));
  const { token } = await pushi.login({ appId: "id", appSecret: "secret" });
  const { subscription, subscriptionInfo, serverResponse } = await pushi.setupWebPush("news", { swPath: "/sw.js", unsubscribe: true });
  const endpoint: string = subscription.endpoint + serverResponse.event;
  const info: SubscriptionInfo = subscriptionInfo;
  const registration = await pushi.registerServiceWorker();
  const key: string = await pushi.getVapidPublicKey((error, found) => console.log(error?.code, found));
  if ((await pushi.requestNotificationPermission()) !== "granted") return;
  const other = await pushi.subscribeToPush(registration, key);
  const same = await pushi.getPushSubscription(registration);
  await pushi.sendSubscriptionToServer(pushi.extractSubscriptionInfo(same ?? other), "private-a", { auth: (of, event) => of + event });
  await pushi.removeSubscriptionFromServer(endpoint);
  await pushi.teardownWebPush("news");
  await pushi.logout();
  console.log(version, empty, valid, sent, token, info, pushi.authenticated);
}
void push();

// @ts-expect-error The key is missing.
new Pushi();
// @ts-expect-error A number is no address.
new Pushi("key", { baseUrl: 8080 });
// @ts-expect-error A channel has a name.
pushi.subscribe(7);
// @ts-expect-error There is no such method.
pushi.publish("message");
