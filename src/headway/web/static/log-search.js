// Find in a log: the server looks through all of it, the viewer goes from match to match.

export class LogSearch {
  constructor(viewer, form) {
    this.viewer = viewer;
    this.form = form;
    this.input = form.querySelector("input[type=search]");
    this.said = form.querySelector("output");
    this.word = "";
    this.found = [];
    this.next = null;
    this.now = 0;
    for (const button of form.querySelectorAll("button[data-way]")) {
      button.hidden = false;
      button.addEventListener("click", () => this.step(Number(button.dataset.way)));
    }
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    this.input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") {
        event.preventDefault();
        this.submit(event.shiftKey ? -1 : 1);
      } else if (event.key === "Escape") {
        this.clear();
        viewer.box.focus();
      }
    });
    this.input.addEventListener("input", () => !this.input.value && this.clear());
  }

  focus() {
    this.input.focus();
    this.input.select();
  }

  submit(way = 1) {
    if (this.input.value.toLowerCase() === this.word) this.step(way);
    else this.look();
  }

  clear() {
    this.input.value = "";
    this.word = "";
    this.found = [];
    this.now = 0;
    this.next = null;
    this.said.textContent = "";
    this.viewer.view.refresh();
  }

  async look() {
    const asked = this.input.value;
    this.word = asked.toLowerCase();
    this.found = [];
    this.now = 0;
    this.next = 1;
    if (!asked.trim()) return this.clear();
    this.said.textContent = "looking…";
    await this.more();
    const eye = this.viewer.eye?.[0] ?? 1;
    const at = this.found.findIndex((line) => line >= eye);
    if (this.found.length) this.go(Math.max(at, 0));
    else this.tell();
  }

  // Go on from the last line that was looked through, until something more is found or all was.
  async more() {
    const word = this.word;
    const before = this.found.length;
    try {
      while (this.next && this.found.length === before && word === this.word) {
        const answer = await this.viewer.lines.ask("/search", { q: this.input.value, first: this.next });
        if (word !== this.word) return;
        this.found.push(...answer.lines);
        this.next = answer.next;
      }
    } catch {
      this.said.textContent = "the log cannot be reached";
    }
  }

  async step(way) {
    if (!this.word) return this.focus();
    const at = this.found.indexOf(this.now);
    if (way > 0 && at === this.found.length - 1) {
      // Behind the last one there may be more: not looked through yet, or grown since.
      if (!this.next && !this.viewer.lines.over) this.next = (this.found.at(-1) ?? 0) + 1;
      await this.more();
    }
    if (this.found.length) this.go((at + way + this.found.length) % this.found.length);
    else this.tell();
  }

  go(index) {
    this.now = this.found[index];
    this.viewer.toLine(this.now);
    this.viewer.view.refresh();
    this.tell(index + 1);
  }

  tell(number = 0) {
    const of = `${this.found.length}${this.next ? "+" : ""}`;
    this.said.textContent = this.found.length ? `${number} of ${of} lines` : "not found";
    if (!this.found.length) this.viewer.view.refresh();
  }
}
