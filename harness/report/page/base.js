// Helpers: make elements (never from markup), read the data, read and write the address.

const data = JSON.parse(document.getElementById("overview").textContent);
const { kernels, texts } = data;
const $ = (id) => document.getElementById(id);

// Make an element: h("a", { href: "#x", class: "y", onclick: f }, "text", other). Text is never parsed as markup.
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

// Unpack a value: base64 of zlib of JSON.
async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return JSON.parse(await new Response(stream).text());
}

const unpacked = new Map();

// Return the value in one of the page's packed elements; it is unpacked once.
function packed(id) {
  if (!unpacked.has(id)) unpacked.set(id, unpack($(id).textContent));
  return unpacked.get(id);
}

// The state is the fragment of the address, so that it can be shared, and Back works.
function readAddress() {
  return new URLSearchParams(location.hash.slice(1));
}

function address(changes) {
  const parameters = readAddress();
  for (const name of ["case", "trait", "splat", "info"]) if (!(name in changes)) parameters.delete(name);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === "") parameters.delete(name);
    else parameters.set(name, value);
  }
  return `#${parameters}`;
}

const letters = kernels.map((kernel) => kernel.letter);

function baseline() {
  return Math.max(0, letters.indexOf(readAddress().get("base")));
}

function plural(number, word) {
  return `${number} ${word}${number === 1 ? "" : "s"}`;
}
