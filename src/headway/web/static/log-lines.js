// The lines of one attempt's log that are near the eye, fetched as they are needed and forgotten again.
//
// Lines are known by their number, so what comes twice replaces itself. The last line may have been cut in its
// middle: who looks on asks from that very line again. So nothing is lost or doubled, however often a connection
// breaks.

const CHUNK = 500;
const MOST_CHUNKS = 80;

export class Lines {
  // `changed` is called with {grew, over, latest} when something came.
  constructor(job, attempt, changed) {
    this.address = `/jobs/${encodeURIComponent(job)}/log`;
    this.attempt = attempt;
    this.changed = changed;
    this.total = 0;
    this.over = false;
    this.latest = attempt;
    this.chunks = new Map(); // number → lines, in the order of their use
    this.wanted = null;
    this.busy = false;
    this.failedAt = 0;
    this.closed = false;
  }

  close() {
    this.closed = true;
  }

  async ask(what, query) {
    const asked = new URLSearchParams({ attempt: this.attempt, ...query });
    const answer = await fetch(`${this.address}${what}?${asked}`, { cache: "no-store" });
    if (!answer.ok) throw new Error(answer.status === 401 ? "signed out" : `answered ${answer.status}`);
    return answer.json();
  }

  // The line as the server sends it, or undefined when it is not here (yet).
  get(line) {
    return this.chunks.get(Math.floor((line - 1) / CHUNK))?.[(line - 1) % CHUNK];
  }

  put(first, lines) {
    lines.forEach((line, index) => {
      const at = first - 1 + index;
      const number = Math.floor(at / CHUNK);
      let chunk = this.chunks.get(number);
      if (!chunk) this.chunks.set(number, (chunk = []));
      chunk[at % CHUNK] = line;
    });
  }

  // These lines are looked at. What is missing is fetched, the latest wish first.
  need(first, last) {
    this.wanted = [first, Math.min(last, this.total)];
    this.pump();
  }

  missing() {
    if (!this.wanted) return 0;
    for (let line = this.wanted[0]; line <= this.wanted[1]; line += 1) if (this.get(line) === undefined) return line;
    return 0;
  }

  async pump() {
    if (this.busy || this.closed) return;
    this.busy = true;
    try {
      for (let line = this.missing(); line && !this.closed; line = this.missing()) {
        const first = Math.floor((line - 1) / CHUNK) * CHUNK + 1;
        // A chunk whose beginning came may lack its end: long lines come in fewer at a time.
        const from = this.get(first) === undefined ? first : line;
        this.take(await this.ask("", { first: from, count: CHUNK - ((from - 1) % CHUNK) }));
        if (this.get(line) === undefined) break;
      }
    } catch {
      this.failedAt = Date.now();
      setTimeout(() => this.pump(), 1_000);
    } finally {
      this.busy = false;
    }
    this.forget();
  }

  // Look whether it grew. Raises when the server cannot be reached.
  async look() {
    this.take(await this.ask("", { first: Math.max(1, this.total), count: CHUNK }));
  }

  take(answer) {
    if (this.closed) return;
    this.put(answer.first, answer.lines);
    const grew = answer.total > this.total;
    // A log that is taken over after a crash may be shorter for a moment; it grows to the same again.
    this.total = Math.max(this.total, answer.total);
    this.over = answer.over;
    this.latest = answer.latest;
    this.changed({ grew, first: answer.first, count: answer.lines.length });
  }

  forget() {
    if (this.chunks.size <= MOST_CHUNKS) return;
    const [first, last] = this.wanted ?? [this.total, this.total];
    const eye = Math.floor((first + last) / 2 / CHUNK);
    const far = [...this.chunks.keys()].sort((one, other) => Math.abs(other - eye) - Math.abs(one - eye));
    for (const number of far.slice(0, this.chunks.size - MOST_CHUNKS)) this.chunks.delete(number);
  }
}
