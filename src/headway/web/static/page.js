// Keys, ids that copy themselves, sheets over the page. Everything here is also there without it, by links and forms.

const GOES = { s: "/", r: "/runs", d: "/deployments", h: "/hosts", m: "/delivery", q: "/queue", a: "/audit" };
const KEYS = [
  ["/", "search"], ["g s", "services"], ["g r", "runs"], ["g d", "deployments"], ["g h", "hosts"],
  ["g m", "delivery metrics"], ["g q", "queue"], ["g a", "audit"], ["j k", "next and previous row"],
  ["Enter", "open the row"], ["?", "this list"],
];
let pendingGo = 0;

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (event.target.closest?.("input, textarea, select, [contenteditable]") || document.querySelector("dialog[open]")) return;
  if (event.key === "g") { pendingGo = event.timeStamp; return; }
  if (pendingGo && event.timeStamp - pendingGo < 1500 && GOES[event.key]) {
    location.href = GOES[event.key];
    return;
  }
  pendingGo = 0;
  const search = document.getElementById("search");
  if (event.key === "/" && search) { event.preventDefault(); search.focus(); }
  else if (event.key === "?") showKeys();
  else if (event.key === "j" || event.key === "k") moveRow(event.key === "j" ? 1 : -1);
  else if (event.key === "Enter" && document.activeElement?.matches("tr, li.entry")) {
    // The row's own thing, where its first link is another one's.
    (document.activeElement.querySelector("a[data-row]") ?? document.activeElement.querySelector("a"))?.click();
  }
});

function moveRow(step) {
  const rows = [...document.querySelectorAll("main table.rows tbody tr, main .timeline .entry")];
  if (!rows.length) return;
  const now = rows.findIndex((row) => row === document.activeElement || row.contains(document.activeElement));
  const next = rows[Math.min(Math.max(now + step, 0), rows.length - 1)];
  next.tabIndex = -1;
  next.focus();
}

function showKeys() {
  const list = document.createElement("dl");
  list.className = "keys";
  list.append(Object.assign(document.createElement("h2"), { textContent: "Keys" }));
  for (const [key, meaning] of KEYS) {
    const term = document.createElement("dt");
    for (const part of key.split(" ")) term.append(Object.assign(document.createElement("kbd"), { textContent: part }), " ");
    list.append(term, Object.assign(document.createElement("dd"), { textContent: meaning }));
  }
  openSheet(list);
}

function openSheet(content) {
  const dialog = document.createElement("dialog");
  dialog.setAttribute("aria-label", content.querySelector("h1, h2")?.textContent ?? "");
  dialog.append(content);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  document.body.append(dialog);
  dialog.showModal();
  // Enter twice must do nothing: what has consequences is pressed by whoever went to it.
  const heading = content.querySelector?.("h1, h2");
  if (heading) { heading.tabIndex = -1; heading.focus(); }
  return dialog;
}

document.addEventListener("click", async (event) => {
  const copy = event.target.closest("button[data-copy]");
  if (copy) {
    await navigator.clipboard?.writeText(copy.dataset.copy);
    copy.classList.add("done");
    setTimeout(() => copy.classList.remove("done"), 1500);
    return;
  }
  if (event.target.closest("dialog a[data-leave]")) {
    event.preventDefault();
    event.target.closest("dialog").close();
    return;
  }
  const ask = event.target.closest("a[data-sheet]");
  if (!ask || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  try {
    const answer = await fetch(ask.href, { headers: { accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const sheet = page.querySelector("main .sheet");
    if (!answer.ok || answer.redirected || !sheet) throw new Error("no sheet");
    ask.closest("dialog")?.close();
    openSheet(document.adoptNode(sheet));
  } catch {
    location.href = ask.href;
  }
});

// "4 m ago" goes on: the exact time stays in the tooltip.
setInterval(() => {
  for (const time of document.querySelectorAll("time[datetime]")) {
    const seconds = (Date.now() - Date.parse(time.dateTime)) / 1000;
    if (seconds < 0 || seconds > 172800) continue;
    const said = seconds < 60 ? `${Math.floor(seconds)} s` : seconds < 3600 ? `${Math.floor(seconds / 60)} m` : `${Math.floor(seconds / 3600)} h`;
    const text = time.textContent.endsWith(" ago") ? `${said} ago` : said;
    if (time.textContent !== text && /^\d+ [smhd]( ago)?$/.test(time.textContent)) time.textContent = text;
  }
}, 5000);
