// What is live on a page. A part says what it lives by, and is fetched anew when news of it comes:
//   <section id="run" data-live="run:ID" data-fragment="top">   this page with ?fragment=top gives its inner HTML
//   <section id="rows" data-live="run deployment">              this page is fetched, and its #rows taken
// Words of data-live: NOUN, NOUN.VERB, or NOUN:SUBJECT (the news's own subject, or its data's id of that noun).
// data-service="NAME" asks for one service's news only. The bar (#world) lives on every page.
import { morph, morphInto } from "./morph.js";

const EVERY = 1_000; // A part is fetched at most so often, and the first time at once.
const listeners = new Set();
const wanted = new Set();
let tell = () => {};
let state = { state: "open", since: Date.now() };

// Calls back with {type: "news" | "beat" | "gap" | "again" | "state", …}, see live-stream.js.
export function listen(work) {
  listeners.add(work);
  return () => listeners.delete(work);
}

// Also hear of this job's growing log.
export function wantLog(job) {
  wanted.add(job);
  tell();
}

export function leaveLog(job) {
  wanted.delete(job);
  tell();
}

function hear(message) {
  if (message.type === "state") turn(message);
  else if (message.type === "beat") worldSoon();
  else if (message.type === "gap" || message.type === "again") everything();
  else if (message.type === "news") {
    for (const part of document.querySelectorAll("[data-live]")) if (matches(part, message.news)) soon(part);
    if (/^(world|run|deployment|request|org)\b/.test(message.news.kind)) worldSoon();
  }
  for (const work of listeners) work(message);
}

function matches(part, news) {
  const { live, service } = part.dataset;
  if (service && news.service && service !== news.service) return false;
  const noun = news.kind.split(".")[0];
  return live.split(/\s+/).some((word) => {
    const [of, subject] = word.split(/:(.*)/);
    if (subject && subject !== "*") return news.data?.[of] === subject || (of === noun && news.subject === subject);
    return of === noun || of === news.kind;
  });
}

// ---- parts --------------------------------------------------------------------------------------------------------

const fetched = new WeakMap(); // part → {at, timer, busy, again}

function soon(part) {
  const its = fetched.get(part) ?? { at: 0 };
  fetched.set(part, its);
  if (document.hidden || its.busy) {
    its.again = true;
    return;
  }
  if (its.timer) return;
  its.timer = setTimeout(() => fetchPart(part, its), Math.max(0, its.at + EVERY - Date.now()));
}

async function fetchPart(part, its) {
  its.timer = 0;
  its.busy = true;
  its.again = false;
  try {
    await freshen(part);
  } catch {
    // Said in the bar when the connection is lost; the next news, or its return, fetches again.
  }
  its.at = Date.now();
  its.busy = false;
  if (its.again) soon(part);
}

async function freshen(part) {
  const address = new URL(location.href);
  address.hash = "";
  if (part.dataset.fragment) address.searchParams.set("fragment", part.dataset.fragment);
  const answer = await fetch(address, { headers: { accept: "text/html" }, cache: "no-store" });
  if (!answer.ok || answer.redirected || !part.isConnected) return;
  const html = await answer.text();
  if (part.dataset.fragment) {
    morphInto(part, html);
  } else {
    const found = new DOMParser().parseFromString(html, "text/html").getElementById(part.id);
    if (found) morph(part, found);
  }
  part.dispatchEvent(new CustomEvent("headway:fresh", { bubbles: true }));
}

function everything() {
  for (const part of document.querySelectorAll("[data-live]")) soon(part);
  worldSoon();
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  for (const part of document.querySelectorAll("[data-live]")) if (fetched.get(part)?.again) soon(part);
  worldSoon();
});

// ---- the bar ------------------------------------------------------------------------------------------------------

let worldTimer = 0;
let worldAt = 0;

function worldSoon() {
  const world = document.getElementById("world");
  if (!world || document.hidden || worldTimer || state.state !== "open") return;
  worldTimer = setTimeout(async () => {
    try {
      const answer = await fetch("/world", { cache: "no-store" });
      if (answer.ok && !answer.redirected) {
        const found = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("world");
        if (found && state.state === "open") morph(world, found);
      }
    } catch {
      // Then the stream is broken too, and says so.
    }
    worldTimer = 0;
    worldAt = Date.now();
  }, Math.max(0, worldAt + 2 * EVERY - Date.now()));
}

function turn(message) {
  state = message;
  const world = document.getElementById("world");
  world?.querySelector(".lost")?.remove();
  document.documentElement.dataset.connection = message.state;
  if (message.state === "open") return worldSoon();
  if (!world) return;
  const said = document.createElement("span");
  said.className = "lost";
  world.prepend(said);
  sayLost();
}

function sayLost() {
  const said = document.querySelector("#world .lost");
  if (!said) return;
  const seconds = Math.round((Date.now() - state.since) / 1000);
  const text = state.state === "ended" ? "signed out: reload the page" : `connection lost for ${seconds} s, trying again`;
  if (said.textContent !== text) said.textContent = text;
}

// ---- clocks -------------------------------------------------------------------------------------------------------

// As the server says durations.
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const pad = (number) => String(number).padStart(2, "0");
  if (whole < 3600) return `${Math.floor(whole / 60)} m ${pad(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${pad(Math.floor((whole % 3600) / 60))} m`;
}

setInterval(() => {
  sayLost();
  if (document.hidden) return;
  for (const clock of document.querySelectorAll("[data-since]")) {
    const text = duration((Date.now() - Date.parse(clock.dataset.since)) / 1000);
    if (clock.textContent !== text) clock.textContent = text;
  }
}, 1_000);

// ---- the stream ---------------------------------------------------------------------------------------------------

async function throughWorker() {
  const worker = new SharedWorker(new URL("./live-worker.js", import.meta.url), { type: "module", name: "headway" });
  const port = worker.port;
  const say = (message) => port.postMessage(message);
  tell = () => say({ type: "want", logs: [...wanted] });
  port.onmessage = ({ data }) => hear(data);
  worker.onerror = () => directly();
  addEventListener("pagehide", () => say({ type: "bye" }));
  addEventListener("pageshow", (event) => event.persisted && tell());
  setInterval(tell, 30_000);
  tell();
}

async function directly() {
  const { LiveStream } = await import("./live-stream.js");
  const stream = new LiveStream(hear);
  tell = () => stream.want(wanted);
  tell();
}

if (document.getElementById("world")) {
  if (globalThis.SharedWorker) throughWorker().catch(directly);
  else directly();
}
