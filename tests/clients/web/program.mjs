// Run by each runtime in turn: `program.mjs MODULE SERVER KEY SECRET`, in Node 20 with npm's ws.
const [module, baseUrl, key, appSecret] = process.argv.slice(2);
const { Pushi } = await import(module);
const WebSocket = globalThis.WebSocket ?? (await import("ws")).default;

const here = new Pushi(key, { baseUrl, WebSocket, appSecret });
const there = new Pushi(key, { baseUrl, WebSocket, appSecret, share: false });
const reader = await here.subscribe("private-a").ready;
const writer = await there.subscribe("private-a").ready;
const events = reader.events("message");
const { serial } = await writer.send("message", "hello");
const { value } = await events.next();
if (value.data !== "hello" || value.serial !== serial) throw new Error(JSON.stringify(value));

await here.close();
await writer.send("message", "meanwhile");
const missed = reader.events("message");
await here.open();
const { value: late } = await missed.next();
const { events: history } = await reader.latest();
const stranger = new Pushi("no-such-key", { baseUrl, WebSocket });
const [code] = await new Promise((done) => stranger.bind("error", (event, error) => done([error.code])));
await Promise.all([here.close(), there.close(), stranger.close()]);
console.log(JSON.stringify({ late: late.data, history: history.length, code }));
