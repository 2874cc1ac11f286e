// Change a part of the page into its fresh version, touching only what differs: focus, scroll, selection and
// unfolded details stay. Children find each other by id or data-key, else by their place.

const keyOf = (node) => (node.nodeType === 1 ? node.id || node.dataset.key || "" : "");

export function morphInto(old, html) {
  const fresh = new DOMParser().parseFromString(html, "text/html").body;
  morphChildren(old, fresh);
}

export function morph(old, fresh) {
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) {
    old.replaceWith(fresh);
  } else if (old.nodeType !== 1) {
    if (old.data !== fresh.data) old.data = fresh.data;
  } else if (!old.hasAttribute("data-keep") && !old.isEqualNode(fresh)) {
    morphAttributes(old, fresh);
    morphChildren(old, fresh);
  }
}

function morphAttributes(old, fresh) {
  // What the person did stays theirs.
  const theirs = old.nodeName === "DETAILS" || old.nodeName === "DIALOG" ? "open" : "";
  for (const { name } of [...old.attributes]) {
    if (name !== theirs && !fresh.hasAttribute(name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (name !== theirs && old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
}

function morphChildren(old, fresh) {
  const children = [...fresh.childNodes];
  const wanted = new Set(children.map(keyOf));
  const keyed = new Map();
  for (const child of old.childNodes) if (keyOf(child)) keyed.set(keyOf(child), child);
  let place = old.firstChild;
  for (const child of children) {
    const key = keyOf(child);
    const found = key ? keyed.get(key) : likeFrom(place, child);
    if (!found || found.nodeName !== child.nodeName) {
      old.insertBefore(child, place);
      continue;
    }
    // What stood before it and is not there any more goes, so that what stays need not be moved: moving loses focus.
    while (place && place !== found && !(keyOf(place) && wanted.has(keyOf(place)))) place = gone(place);
    if (place === found) place = place.nextSibling;
    else old.insertBefore(found, place);
    morph(found, child);
  }
  while (place) place = gone(place);
}

function gone(node) {
  const next = node.nextSibling;
  node.remove();
  return next;
}

// The next child without a key that may become this one: text only right here, an element of the same name and class
// also further on.
function likeFrom(place, child) {
  if (child.nodeType !== 1) return place?.nodeType === child.nodeType ? place : null;
  for (let found = place; found; found = found.nextSibling) {
    if (found.nodeName === child.nodeName && !keyOf(found) && found.classList[0] === child.classList[0]) return found;
  }
  return null;
}
