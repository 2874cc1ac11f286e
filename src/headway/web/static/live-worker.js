// One for all tabs of this browser: holds their only stream and passes on what it hears. HTTP/1.1 allows a browser
// six connections to a server; ten tabs with a stream each would leave none for the pages.
import { LiveStream } from "./live-stream.js";

const FORGOTTEN = 180_000; // A tab that is closed may have no time to say so; one that sleeps says little.
const tabs = new Map();

const stream = new LiveStream((message) => {
  for (const port of tabs.keys()) port.postMessage(message);
});

function gather() {
  const wanted = new Set();
  for (const tab of tabs.values()) for (const job of tab.logs) wanted.add(job);
  stream.want(wanted);
}

function enter(port) {
  tabs.set(port, { logs: [], heardAt: Date.now() });
  port.postMessage({ type: "state", state: stream.state, since: stream.since });
  if (stream.beat) port.postMessage({ type: "beat", beat: stream.beat });
}

globalThis.onconnect = (event) => {
  const port = event.ports[0];
  enter(port);
  port.onmessage = ({ data }) => {
    if (data.type === "bye") {
      tabs.delete(port);
    } else {
      if (!tabs.has(port)) {
        enter(port);
        port.postMessage({ type: "gap" });
      }
      const tab = tabs.get(port);
      tab.heardAt = Date.now();
      if (data.logs) tab.logs = data.logs;
    }
    gather();
  };
};

setInterval(() => {
  for (const [port, tab] of tabs) if (Date.now() - tab.heardAt > FORGOTTEN) tabs.delete(port);
  gather();
}, 30_000);
