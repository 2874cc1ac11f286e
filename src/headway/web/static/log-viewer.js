// The log viewer: one job's log, of any length, live. What it shows, it shows as text: nothing a job prints is markup.
import { duration, leaveLog, listen, wantLog } from "./live.js";
import { Lines } from "./log-lines.js";
import { Rows } from "./log-rows.js";
import { LogSearch } from "./log-search.js";
import { RowWindow, element } from "./log-window.js";

const LOOK_EVERY = 150; // Milliseconds between two looks at a log that grows.
const ANYWAY = 5_000; // So often a log that may grow is looked at without news.
const STEPS_EVERY = 1_000;
const FEW = 200; // A log that succeeded with fewer lines is shown unfolded.
const ICONS = { succeeded: "ok", failed: "fail", errored: "error", running: "run", queued: "wait", cancelled: "stop", skipped: "skip" };

export class LogViewer {
  constructor(root) {
    this.root = root;
    this.job = root.dataset.job;
    this.touched = new Set();
    this.selected = null;
    this.following = false;
    this.lookedAt = 0;
    this.rows = new Rows();
    this.build();
    this.begin(Number(root.dataset.attempt));
    listen((message) => this.hear(message));
    setInterval(() => !document.hidden && !this.lines.over && this.lookSoon(), ANYWAY);
    addEventListener("hashchange", () => this.readHash() && this.toSelected());
  }

  build() {
    const part = (name) => this.root.querySelector(`[data-log="${name}"]`);
    this.status = part("status");
    this.followButton = part("follow");
    this.errorButton = part("error");
    this.box = element("div", "log-box");
    this.box.tabIndex = 0;
    this.box.setAttribute("role", "region");
    this.box.setAttribute("aria-label", `Lines of ${this.root.dataset.name}`);
    // Why there is nothing yet: it waits, it never began, its log is gone.
    this.none = part("plain").querySelector(".log-none:only-child");
    part("plain").replaceWith(this.box);
    if (this.none) this.box.append(this.none);
    this.view = new RowWindow(this.box, {
      count: () => this.rows.count,
      key: (row) => this.keyOf(row),
      make: (row, old) => this.makeRow(row, old),
      seen: (first, last) => this.seen(first, last),
    });
    this.view.onScroll = (moved) => this.scrolled(moved);
    this.search = new LogSearch(this, part("find"));
    this.followButton.hidden = false;
    this.followButton.addEventListener("click", () => this.follow(!this.following));
    this.errorButton.addEventListener("click", () => this.toBroken());
    this.box.addEventListener("click", (event) => this.clicked(event));
    this.box.addEventListener("keydown", (event) => this.pressed(event));
  }

  async begin(attempt) {
    this.lines?.close();
    this.lines = new Lines(this.job, attempt, (what) => this.came(what));
    this.rows.set(0, []);
    this.broke = null;
    wantLog(this.job);
    try {
      const found = await this.lines.ask("/steps", {});
      this.lines.total = found.total;
      this.lines.over = found.over;
      this.lines.latest = found.latest;
      this.takeSteps(found);
    } catch {
      this.say("the log cannot be reached; trying again");
      setTimeout(() => this.begin(attempt), 2_000);
      return;
    }
    this.foldAtFirst();
    this.open();
    this.root.dataset.ready = "";
    if (this.lines.over) leaveLog(this.job);
  }

  // Where it opens: at what the address names, at the first error, at the end of what still runs, at the beginning.
  open() {
    if (this.readHash()) this.toSelected();
    else if (this.broke) this.toBroken();
    else if (!this.lines.over) this.follow(true);
    else this.view.refresh();
    this.tellStatus();
  }

  // ---- what comes --------------------------------------------------------------------------------------------------

  hear(message) {
    if (message.type === "again" || message.type === "gap") this.lookSoon();
    if (message.type !== "news") return;
    const { kind, subject, data } = message.news;
    if (kind === "log.grew" && subject === this.job) this.lookSoon();
    if (kind === "job.changed" && subject === this.job) this.lookSoon(true);
  }

  lookSoon(withSteps = false) {
    this.stepsToo ||= withSteps;
    if (this.looking || this.lookTimer) {
      this.lookAgain = true;
      return;
    }
    this.lookTimer = setTimeout(() => this.look(), Math.max(0, this.lookedAt + LOOK_EVERY - Date.now()));
  }

  async look() {
    const lines = this.lines;
    this.lookTimer = 0;
    this.looking = true;
    this.lookAgain = false;
    this.lookedAt = Date.now();
    try {
      await lines.look();
      if (lines === this.lines) await this.lookAtSteps();
      if (lines === this.lines && lines.over) await this.ended();
    } catch {
      // The bar says that the connection is lost; its return, or the next round, looks again.
    }
    this.looking = false;
    if (this.lookAgain) this.lookSoon();
  }

  async lookAtSteps() {
    const due = this.stepsAt === undefined || Date.now() - this.stepsAt > STEPS_EVERY;
    if (!(this.stepsToo || this.lines.over || due)) return;
    this.stepsToo = false;
    this.stepsAt = Date.now();
    this.takeSteps(await this.lines.ask("/steps", {}));
    this.changed();
  }

  async ended() {
    if (this.lines.latest > this.lines.attempt && this.following) {
      // The attempt that was followed is followed by another one.
      this.root.dataset.attempt = this.lines.latest;
      this.touched.clear();
      this.rows.folded.clear();
      await this.begin(this.lines.latest);
      return;
    }
    if (this.lines.latest > this.lines.attempt) return;
    leaveLog(this.job);
    this.tellStatus();
    if (this.following && this.broke) this.toBroken();
    if (this.following) this.follow(false);
  }

  came({ grew, first, count }) {
    if (grew) this.rows.set(this.lines.total);
    const [eyeFirst, eyeLast] = this.eye ?? [0, 0];
    if (grew || (first <= eyeLast && first + count > eyeFirst)) this.changed();
    this.tellStatus();
  }

  changed() {
    if (this.following) this.view.showEnd();
    else this.view.refresh();
  }

  takeSteps(found) {
    const before = new Map(this.rows.steps.map((step) => [step.index, step.state]));
    this.broke = found.broke;
    this.errorButton.hidden = !found.broke;
    this.lines.total = Math.max(this.lines.total, found.total);
    this.rows.set(this.lines.total, found.steps);
    if (!this.following) return;
    // Followed: a step that has just succeeded folds itself, unless somebody folds by hand.
    for (const step of found.steps) {
      if (step.state === "succeeded" && before.get(step.index) === "running" && !this.touched.has(step.index)) {
        this.rows.fold(step.index, true);
      }
    }
  }

  foldAtFirst() {
    const steps = this.rows.steps;
    const all = steps.every((step) => step.state === "succeeded" || step.state === "skipped");
    const last = steps.findLast((step) => step.end > step.first);
    for (const step of steps) {
      if (step.state !== "succeeded" || step.end <= step.first) continue;
      if (all ? this.lines.total >= FEW && step !== last : true) this.rows.fold(step.index, true);
    }
  }

  // ---- rows --------------------------------------------------------------------------------------------------------

  keyOf(row) {
    const what = this.rows.at(row);
    return what.step ? `s${what.step.index}` : `l${what.line}`;
  }

  makeRow(row, old) {
    const what = this.rows.at(row);
    return what.step ? this.makeStep(what.step, old) : this.makeLine(what.line, old);
  }

  makeStep(step, old) {
    const folded = this.rows.folded.has(step.index);
    const stamp = `${step.state}/${step.took}/${folded}/${step.exit}/${step.end > step.first}`;
    if (old?.dataset.stamp === stamp) return old;
    const node = element("div", `log-step ${step.state}`);
    node.dataset.key = `s${step.index}`;
    node.dataset.stamp = stamp;
    const button = element("button", "");
    button.type = "button";
    button.dataset.step = step.index;
    const empty = step.end <= step.first && !step.open;
    button.disabled = empty;
    if (!empty) button.setAttribute("aria-expanded", String(!folded));
    button.append(element("span", "log-fold", empty ? "" : folded ? "▸" : "▾"), icon(step.state));
    button.append(element("span", "log-step-name", step.name), element("span", "visually-hidden", `, ${step.state}`));
    const took = element("span", "log-step-took");
    if (step.state === "running" && step.since) took.dataset.since = step.since;
    took.textContent = this.tookOf(step);
    button.append(took);
    node.append(button);
    return node;
  }

  tookOf(step) {
    if (step.state === "skipped") return "skipped";
    const exit = step.exit ? `exit ${step.exit}, ` : "";
    if (step.took !== null) return exit + (step.took < 9.95 ? `${step.took.toFixed(1)} s` : duration(step.took));
    return step.state === "running" && step.since ? duration((Date.now() - Date.parse(step.since)) / 1000) : "";
  }

  makeLine(number, old) {
    const content = this.lines.get(number);
    const word = this.search.word;
    const stamp = old && old.line === content && old.word === word && content !== undefined;
    const node = stamp ? old : element("div", "log-line");
    if (!stamp) {
      node.dataset.key = `l${number}`;
      node.line = content;
      node.word = word;
      const link = element("a", "log-no", String(number));
      link.href = `#L${number}`;
      link.tabIndex = -1;
      const text = element("span", "log-text");
      if (content !== undefined) fill(text, content, word);
      else text.classList.add("log-waits");
      node.append(link, text);
    }
    const chosen = this.selected && number >= this.selected[0] && number <= this.selected[1];
    node.classList.toggle("selected", Boolean(chosen));
    node.classList.toggle("hit", number === this.search.now);
    return node;
  }

  seen(first, last) {
    let low = Infinity;
    let high = 0;
    for (let row = first; row <= last; row += 1) {
      const what = this.rows.at(row);
      if (!what?.line) continue;
      low = Math.min(low, what.line);
      high = Math.max(high, what.line);
    }
    this.eye = high ? [low, high] : null;
    if (high) this.lines.need(low, high);
  }

  // ---- where to look -----------------------------------------------------------------------------------------------

  follow(yes) {
    this.following = yes;
    this.followButton.setAttribute("aria-pressed", String(yes));
    if (yes) this.view.showEnd();
    this.tellStatus();
  }

  // Following sticks to the end until one scrolls up, and begins again there.
  scrolled(moved) {
    if (this.following && moved < 0) this.follow(false);
    else if (!this.following && moved > 0 && !this.lines.over && this.view.atEnd) this.follow(true);
  }

  toLine(line) {
    const step = this.rows.stepOf(line);
    if (step && this.rows.folded.has(step.index)) this.rows.fold(step.index, false);
    if (this.following) this.follow(false);
    this.view.show(this.rows.rowOf(line));
  }

  toBroken() {
    if (this.broke) this.toLine(this.broke);
  }

  toSelected() {
    if (this.selected) this.toLine(Math.min(this.selected[0], Math.max(1, this.lines.total)));
  }

  readHash() {
    const found = /^#L(\d{1,9})(?:-L?(\d{1,9}))?$/.exec(location.hash);
    const numbers = found ? [Number(found[1]), Number(found[2] ?? found[1])].sort((a, b) => a - b) : null;
    this.selected = numbers;
    return numbers !== null;
  }

  select(line, extend) {
    const [first, last] = extend && this.selected ? [Math.min(this.from, line), Math.max(this.from, line)] : [line, line];
    if (!extend || !this.selected) this.from = line;
    this.selected = [first, last];
    history.replaceState(null, "", first === last ? `#L${first}` : `#L${first}-L${last}`);
    if (this.following) this.follow(false);
    this.view.refresh();
  }

  clicked(event) {
    const number = event.target.closest(".log-no");
    const head = event.target.closest("button[data-step]");
    if (number && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      this.select(Number(number.textContent), event.shiftKey);
    } else if (head) {
      const index = Number(head.dataset.step);
      this.touched.add(index);
      if (this.following) this.follow(false);
      this.rows.fold(index, !this.rows.folded.has(index));
      this.view.refresh(this.rows.rowOfStep(index));
      this.box.querySelector(`button[data-step="${index}"]`)?.focus({ preventScroll: true });
    }
  }

  pressed(event) {
    const plain = !event.altKey && !event.shiftKey;
    if ((event.ctrlKey || event.metaKey) && event.key === "f" && plain) this.search.focus();
    else if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("button") === event.target && event.key === " ") return;
    else if (event.key === "f") this.follow(!this.following);
    else if (event.key === "e") this.toBroken();
    else if (event.key === "n" || event.key === "N") this.search.step(event.key === "n" ? 1 : -1);
    else if (event.key === "Home") this.leave(() => this.view.show(0, 0));
    else if (event.key === "End") this.lines.over ? this.leave(() => this.view.showEnd()) : this.follow(true);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  leave(work) {
    if (this.following) this.follow(false);
    work();
  }

  tellStatus() {
    const lines = this.lines.total.toLocaleString("en").replaceAll(",", "\u202f");
    const said = this.lines.total ? `${lines} ${this.lines.total === 1 ? "line" : "lines"}` : this.lines.over ? "it printed nothing" : "nothing printed yet";
    const way = this.lines.over ? "" : this.following ? ", following" : ", still growing";
    const attempt = this.lines.latest > 1 ? `attempt ${this.lines.attempt} of ${this.lines.latest}, ` : "";
    this.say(attempt + said + way);
    this.followButton.hidden = this.lines.over;
  }

  say(text) {
    if (this.none) this.none.hidden = this.rows.count > 0;
    if (this.status.textContent !== text) this.status.textContent = text;
  }
}

function icon(state) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#i-${ICONS[state] ?? "wait"}`);
  svg.append(use);
  return svg;
}

// Text as text, with its colours, and with the word that is looked for marked where it stands within one colour.
function fill(node, content, word) {
  for (const [classes, text] of typeof content === "string" ? [["", content]] : content) {
    const parts = word ? marked(text, word) : [text];
    const place = classes ? node.appendChild(element("span", classes)) : node;
    for (const part of parts) place.append(part);
  }
}

function marked(text, word) {
  const parts = [];
  const low = text.toLowerCase();
  let from = 0;
  for (let at = low.indexOf(word); at >= 0 && parts.length < 200; at = low.indexOf(word, from)) {
    parts.push(text.slice(from, at), element("mark", "", text.slice(at, at + word.length)));
    from = at + word.length;
  }
  parts.push(text.slice(from));
  return parts;
}

const root = document.querySelector("#log[data-job]");
if (root) root.viewer = new LogViewer(root);
