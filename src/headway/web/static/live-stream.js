// The browser's one stream of news: opened, watched, mended. It lives in the shared worker, or in the page where
// there is no such worker. What it hears it hands to `tell`:
//   {type: "news", news} · {type: "beat", beat} · {type: "gap"}: look at everything anew
//   {type: "state", state: "open" | "lost" | "ended", since}
const BEAT = 10_000;
const SILENT = 2.5 * BEAT;
const LONGEST_PAUSE = 10_000;

export class LiveStream {
  constructor(tell) {
    this.tell = tell;
    this.logs = "";
    this.place = "";
    this.pause = 500;
    this.state = "lost";
    this.since = Date.now();
    this.heardAt = Date.now();
    this.beat = null;
    this.wasOpen = false;
    this.source = null;
    this.open();
    setInterval(() => this.watch(), 2_000);
  }

  // Whose logs are asked for. The stream is opened anew where it stands, so nothing is lost in between.
  want(jobs) {
    const logs = [...jobs].sort().join(",");
    if (logs === this.logs || this.state === "ended") return;
    this.logs = logs;
    clearTimeout(this.change);
    this.change = setTimeout(() => this.open(), 20);
  }

  open() {
    clearTimeout(this.again);
    this.source?.close();
    this.heardAt = Date.now();
    const asked = new URLSearchParams();
    if (this.place) asked.set("after", this.place);
    if (this.logs) asked.set("logs", this.logs);
    const source = new EventSource(`/live?${asked}`);
    this.source = source;
    const hear = (name, work) => {
      source.addEventListener(name, (event) => {
        if (source !== this.source) return;
        this.heardAt = Date.now();
        if (event.lastEventId) this.place = event.lastEventId;
        work(JSON.parse(event.data));
      });
    };
    hear("hello", () => this.opened());
    hear("news", (news) => this.tell({ type: "news", news }));
    hear("gap", () => this.tell({ type: "gap" }));
    hear("beat", (beat) => {
      this.beat = beat;
      this.tell({ type: "beat", beat });
    });
    hear("end", () => this.end());
    source.onerror = () => {
      if (source !== this.source) return;
      this.lost();
      // The browser tries again by itself, unless it was refused.
      if (source.readyState === EventSource.CLOSED) this.refused();
    };
  }

  opened() {
    this.pause = 500;
    const again = this.wasOpen && this.state === "lost";
    this.wasOpen = true;
    this.turn("open");
    // Passing signs (a log grew) are not repeated: whoever follows a log has to look.
    if (again) this.tell({ type: "again" });
  }

  lost() {
    if (this.state === "open") this.turn("lost");
  }

  end() {
    this.source?.close();
    this.turn("ended");
  }

  turn(state) {
    if (this.state === state) return;
    this.state = state;
    this.since = Date.now();
    this.tell({ type: "state", state, since: this.since });
  }

  // Refused: the session may be over, or something stands between us and the server. Ask which.
  async refused() {
    const after = this.pause * (0.75 + Math.random() / 2);
    this.pause = Math.min(this.pause * 2, LONGEST_PAUSE);
    try {
      const answer = await fetch("/world", { redirect: "manual", cache: "no-store" });
      if (answer.type === "opaqueredirect" || answer.status === 401) return this.end();
    } catch {
      // Not reachable: try again below.
    }
    this.again = setTimeout(() => this.open(), after);
  }

  // A connection that hangs (a laptop that slept, a server that was frozen) says nothing, not even its end.
  watch() {
    if (this.state === "ended" || Date.now() - this.heardAt < SILENT) return;
    this.lost();
    this.open();
  }
}
