// Which row of the log shows what: heads of steps and the lines of those that are unfolded. Rows count from 0, lines
// from 1. A log of a million lines is a few segments here, whatever is folded.

export class Rows {
  constructor() {
    this.total = 0;
    this.steps = [];
    this.folded = new Set();
    this.build();
  }

  // steps: [{index, first, end, open, …}] in their order, `end` not counted in. One that is open has all to the end.
  set(total, steps = this.steps) {
    this.total = total;
    this.steps = steps;
    this.build();
  }

  fold(index, yes) {
    if (yes) this.folded.add(index);
    else this.folded.delete(index);
    this.build();
  }

  build() {
    const segments = [];
    let row = 0;
    let line = 1;
    const lines = (first, end) => {
      if (end <= first) return;
      segments.push({ row, first, count: end - first });
      row += end - first;
    };
    for (const step of this.steps) {
      const first = Math.max(line, Math.min(step.first, this.total + 1));
      const end = Math.max(first, step.open ? this.total + 1 : Math.min(step.end, this.total + 1));
      lines(line, first);
      segments.push({ row, step, count: 1, first, end });
      row += 1;
      if (!this.folded.has(step.index)) lines(first, end);
      line = Math.max(line, end);
    }
    lines(line, this.total + 1);
    this.segments = segments;
    this.count = row;
  }

  // {line} or {step}; null beyond the end.
  at(row) {
    if (row < 0 || row >= this.count) return null;
    const segment = this.segments[this.find((one) => one.row <= row)];
    return segment.step ? { step: segment.step } : { line: segment.first + row - segment.row };
  }

  // The row of a line; that of its step's head when it is folded away.
  rowOf(line) {
    for (const segment of this.segments) {
      if (!segment.step && line >= segment.first && line < segment.first + segment.count) {
        return segment.row + line - segment.first;
      }
      if (segment.step && this.folded.has(segment.step.index) && line >= segment.first && line < segment.end) {
        return segment.row;
      }
    }
    return Math.max(0, this.count - 1);
  }

  rowOfStep(index) {
    return this.segments.find((segment) => segment.step?.index === index)?.row ?? 0;
  }

  stepOf(line) {
    return this.segments.find((segment) => segment.step && line >= segment.first && line < segment.end)?.step ?? null;
  }

  // The last segment for which `is` holds, given that it holds for the first ones.
  find(is) {
    let low = 0;
    let high = this.segments.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (is(this.segments[middle])) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
