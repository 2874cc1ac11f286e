// Rows in a box that scrolls, of which only those near the eye are in the page. Rows may be of any height (long lines
// wrap), there may be millions of them, and a browser's scroll height may not hold them all: then a pixel near the
// eye is a pixel, and far leaps go by share.
//
// The rendered rows stand in `pane`, `top` pixels below the beginning of `space`. Whatever changes, the row at the
// upper edge keeps its place (its *anchor*), so that nobody loses what they read.

const HIGHEST = 8_000_000; // Browsers go up to 17 to 33 million pixels.
const GUESS = 20; // Height of a row until some were measured.
const OVER = 40; // Rows beyond both edges.
const MARGIN = 240; // So near to the end of the rendered rows new ones are made.

export class RowWindow {
  // make(row, old) gives the row's element, `old` where it may stay; key(row) names it; seen(first, last) is told.
  constructor(box, { count, key, make, seen }) {
    Object.assign(this, { box, count, key, make, seen });
    this.space = box.appendChild(element("div", "log-space"));
    this.pane = this.space.appendChild(element("div", "log-pane"));
    this.first = this.last = 0;
    this.top = 0;
    this.height = GUESS;
    this.expected = -1;
    this.pinned = -1;
    this.onScroll = () => {};
    box.addEventListener("scroll", () => this.scrolled(), { passive: true });
    new ResizeObserver(() => this.refresh()).observe(box);
  }

  get eye() {
    return this.box.scrollTop;
  }

  get shown() {
    return this.box.clientHeight || 400;
  }

  get length() {
    return Math.min(this.count() * this.height, HIGHEST);
  }

  get atEnd() {
    return this.last >= this.count() && this.eye + this.shown >= this.space.offsetHeight - 4;
  }

  // The first row at the eye and how far below the eye it begins (mostly a little above: negative).
  anchor() {
    const nodes = this.pane.children;
    let low = 0;
    let high = nodes.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.top + nodes[middle].offsetTop + nodes[middle].offsetHeight > this.eye) high = middle;
      else low = middle + 1;
    }
    const node = nodes[low];
    return { row: this.first + low, below: node ? this.top + node.offsetTop - this.eye : 0 };
  }

  scrolled() {
    const mine = Math.abs(this.eye - this.expected) < 2;
    this.expected = -1;
    if (!mine) this.pinned = -1;
    if (!mine) this.onScroll(this.eye - (this.before ?? this.eye));
    this.before = this.eye;
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.update();
    });
  }

  update() {
    const { eye, shown, top } = this;
    const bottom = top + this.pane.offsetHeight;
    clearTimeout(this.resting);
    this.resting = setTimeout(() => this.settle(), 200);
    const above = this.first === 0 || eye >= top + MARGIN;
    const below = this.last >= this.count() || eye + shown <= bottom - MARGIN;
    if (above && below && eye + shown >= top && eye <= bottom) return;
    if (eye + shown < top - shown || eye > bottom + shown) this.leap();
    else {
      const { row, below: offset } = this.anchor();
      this.place(row, eye + offset, eye);
    }
  }

  // Far away: by share.
  leap() {
    const room = Math.max(1, this.space.offsetHeight - this.shown);
    const row = Math.floor(Math.min(1, this.eye / room) * Math.max(0, this.count() - 1));
    this.place(row, this.eye, this.eye);
  }

  // Render around `row`, which begins at `at` in the space, and look at `eye`.
  place(row, at, eye) {
    const count = this.count();
    const rows = Math.ceil(this.shown / Math.min(this.height, GUESS)) + OVER;
    this.render(Math.max(0, row - OVER), Math.min(count, row + rows));
    const node = this.pane.children[row - this.first];
    let top = at - (node ? node.offsetTop : 0);
    // The beginning has to be at 0, and may not be above it while there is more before.
    const shift = this.first === 0 ? -top : top < 0 || (top === 0 && this.first > 0) ? this.ideal(this.first) - top : 0;
    top += shift;
    this.move(top, eye + shift);
  }

  ideal(row) {
    const count = this.count();
    return count ? (row / count) * this.length : 0;
  }

  move(top, eye) {
    this.top = top;
    const bottom = top + this.pane.offsetHeight;
    const atEnd = this.last >= this.count();
    const height = atEnd ? bottom : Math.max(this.length, bottom + this.shown);
    this.space.style.height = `${height}px`;
    this.pane.style.transform = `translateY(${top}px)`;
    if (Math.abs(this.eye - eye) >= 1) this.box.scrollTop = eye;
    // What the browser made of it, also when a shorter space moved it: this scroll is ours, not the reader's.
    this.expected = this.before = this.eye;
    this.tell();
  }

  tell() {
    this.seen(this.first, this.last - 1);
  }

  // At rest: learn how high rows are, and bring the scrollbar to where its share says.
  settle() {
    const rendered = this.last - this.first;
    if (rendered > 20) {
      const measured = this.pane.offsetHeight / rendered;
      this.height += (Math.min(measured, 200) - this.height) / 4;
    }
    if (this.first === 0 || this.last >= this.count()) return;
    const drift = this.ideal(this.first) - this.top;
    if (Math.abs(drift) > 2 * this.shown) this.move(this.top + drift, this.eye + drift);
  }

  // Something about the rows changed (more came, one was folded): the anchor stays where it is.
  refresh(row = this.pinned) {
    if (!this.pane.children.length) return this.place(0, 0, 0);
    const anchor = this.anchor();
    if (row >= 0 && row >= this.first && row < this.last) {
      anchor.row = row;
      anchor.below = this.top + this.pane.children[row - this.first].offsetTop - this.eye;
    }
    const at = Math.min(anchor.row, Math.max(0, this.count() - 1));
    this.place(at, this.eye + anchor.below, this.eye);
  }

  // Bring a row to `share` of the height. It stays there, whatever comes above it, until somebody scrolls.
  show(row, share = 0.3) {
    const at = row < OVER ? row * this.height : this.ideal(row);
    this.place(row, at, Math.max(0, at - this.shown * share));
    this.pinned = row;
    // Its real place is known now.
    const node = this.pane.children[row - this.first];
    if (node) this.move(this.top, Math.max(0, this.top + node.offsetTop - this.shown * share));
  }

  showEnd() {
    this.pinned = -1;
    const count = this.count();
    this.render(Math.max(0, count - OVER - Math.ceil(this.shown / GUESS)), count);
    const top = this.first === 0 ? 0 : Math.max(this.ideal(this.first), MARGIN);
    this.move(top, top + this.pane.offsetHeight - this.shown);
  }

  render(first, last) {
    const keys = [];
    for (let row = first; row < last; row += 1) keys.push(this.key(row));
    const wanted = new Set(keys);
    const old = new Map();
    for (const node of [...this.pane.children]) {
      if (wanted.has(node.dataset.key)) old.set(node.dataset.key, node);
      else node.remove();
    }
    let place = this.pane.firstChild;
    keys.forEach((key, index) => {
      const found = old.get(key);
      const node = this.make(first + index, found);
      if (found && found !== node) {
        if (found === place) place = node;
        found.replaceWith(node);
      }
      if (node === place) place = place.nextSibling;
      else this.pane.insertBefore(node, place);
    });
    this.first = first;
    this.last = last;
  }
}

export function element(name, className = "", text = "") {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}
