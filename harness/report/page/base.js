// What everything else uses: making elements (never from text that is markup), reading the data, where we are.

const data = JSON.parse(document.getElementById("overview").textContent);
const { kernels, texts } = data;
const $ = (id) => document.getElementById(id);

// An element: h("a", { href: "#x", class: "y", onclick: f }, "text", other). Text is always text.
function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

// A value that was packed: base64 of zlib of JSON.
async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

const unpacked = new Map();

// The value in one of the page's packed elements; unpacked once.
function packed(id) {
  if (!unpacked.has(id)) unpacked.set(id, unpack($(id).textContent));
  return unpacked.get(id);
}

// Where we are stands behind the # of the address, so that it can be sent to somebody, and Back works.
function readPlace() {
  return new URLSearchParams(location.hash.slice(1));
}

function address(changes) {
  const place = readPlace();
  for (const name of ["case", "trait", "splat", "info"]) if (!(name in changes)) place.delete(name);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === "") place.delete(name);
    else place.set(name, value);
  }
  return `#${place}`;
}

const letters = kernels.map((kernel) => kernel.letter);

function baseline() {
  return Math.max(0, letters.indexOf(readPlace().get("base")));
}

function plural(number, word) {
  return `${number} ${word}${number === 1 ? "" : "s"}`;
}
