// The page of the API: built from /api/openapi.json, so that it shows what the server says.

const SHOWN_CHARACTERS = 20000; // of an answer; a longer one is cut

/** An element with attributes and children; a child that is text is shown as it is. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

/** Text in which `words` between backquotes are code. */
function prose(text) {
  return text.split("`").map((part, index) => (index % 2 ? element("code", {}, part) : part));
}

/** A word for the shell, in quotation marks where it needs them. */
function quoted(word) {
  return /^[\w:/.@=-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

/** The field for a parameter. */
function field(parameter, names) {
  const { name, schema } = parameter;
  const choices = schema.enum ?? (name === "source" ? names : null);
  const id = { name, "aria-label": name };
  if (!choices) {
    const numeric = schema.type === "integer";
    return element("input", {
      ...id, type: numeric ? "number" : "text", min: schema.minimum,
      placeholder: schema.examples?.[0],
    });
  }
  const options = choices.map((choice) => element("option", { value: choice }, choice));
  return element("select", id, element("option", { value: "" }, "–"), ...options);
}

/** The path with the parameters that are given. */
function address(path, fields) {
  const given = fields.filter((each) => each.value).map((each) => [each.name, each.value]);
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

/** A command that makes the call. */
function command(call, fields) {
  const url = quoted(location.origin + address(call.path, fields));
  if (call.body) return `curl -F photo=@me.jpg ${url}`;
  return `curl ${call.endless ? "-N " : ""}${url}`;
}

/** What came back, for people: JSON in lines, anything else as it is. */
function readable(text, kind) {
  let shown = text;
  if (kind.startsWith("application/json")) shown = JSON.stringify(JSON.parse(text), null, 1);
  if (shown.length <= SHOWN_CHARACTERS) return shown;
  return `${shown.slice(0, SHOWN_CHARACTERS)}\n… ${shown.length - SHOWN_CHARACTERS} more characters`;
}

/** Make the call and show the answer. */
async function attempt(call, fields, photos, tried, answer) {
  const request = { method: call.method.toUpperCase() };
  if (photos) {
    request.body = new FormData();
    for (const photo of photos.files) request.body.append("photo", photo);
  }
  const start = performance.now();
  tried.textContent = "…";
  try {
    const response = await fetch(address(call.path, fields), request);
    const text = await response.text();
    const took = Math.round(performance.now() - start);
    tried.textContent = `${response.status} ${response.statusText}, ${took} ms`;
    answer.textContent = readable(text, response.headers.get("Content-Type") ?? "");
    answer.hidden = false;
  } catch (error) {
    tried.textContent = `the server does not answer: ${error.message}`;
    answer.hidden = true;
  }
}

/** The table of the answers by status. */
function answers(responses) {
  const rows = Object.entries(responses).map(([status, { description, content }]) =>
    element("tr", {}, element("td", {}, status),
      element("td", {}, ...prose(description)),
      element("td", {}, Object.keys(content ?? {}).join(", "))));
  const heads = ["status", "meaning", "type"].map((head) => element("th", { scope: "col" }, head));
  return element("details", {}, element("summary", {}, "Answers"),
    element("div", { class: "wide" }, element("table", {}, element("tr", {}, ...heads), ...rows)));
}

/** The form that tries a call: its parameters, the command, the button, the answer. */
function trial(call, names) {
  const fields = call.parameters.map((each) => field(each, names));
  const labels = fields.map((each, k) =>
    element("label", {}, element("span", {}, call.parameters[k].name), each,
      element("span", { class: "soft" }, call.parameters[k].description)));
  const photos = call.body && element("input", {
    type: "file", multiple: true, required: true, accept: "image/jpeg,image/png,image/webp",
  });
  if (photos) labels.push(element("label", {}, "photos", photos));
  const example = element("pre", { class: "example", tabindex: 0, "aria-label": "example" });
  const tried = element("p", { class: "tried soft", role: "status" });
  const answer = element("pre", { class: "answer", tabindex: 0, "aria-label": "answer", hidden: true });
  const form = element("form", { "aria-label": `Try ${call.path}` });
  if (labels.length) form.append(element("div", { class: "fields" }, ...labels));
  form.append(example);
  if (!call.endless) {
    const button = element("button", { type: "submit" }, "Try it");
    form.append(element("div", { class: "tools" }, button, tried), answer);
  }
  const refresh = () => { example.textContent = command(call, fields); };
  form.addEventListener("input", refresh);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!call.endless) attempt(call, fields, photos, tried, answer);
  });
  refresh();
  return form;
}

/** A call as a card. */
function card(call, names) {
  const path = call.page ? element("a", { href: call.path }, call.path) : call.path;
  const made = element("article", { class: "card call" },
    element("h3", {}, element("span", { class: `method ${call.method}` }, call.method.toUpperCase()),
      element("code", { class: "path" }, path),
      element("span", { class: "what" }, call.summary)));
  if (call.description) made.append(element("p", {}, ...prose(call.description)));
  if (!call.page && !call.socket) made.append(trial(call, names));
  if (!call.page) made.append(answers(call.responses));
  return made;
}

/** The calls of the description, one after the other. */
function calls(description) {
  return Object.entries(description.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      path, method, kind: operation.tags[0], summary: operation.summary,
      description: operation.description, parameters: operation.parameters ?? [],
      responses: operation.responses, body: Boolean(operation.requestBody),
      endless: Boolean(operation["x-endless"]), socket: "101" in operation.responses,
      page: operation.tags[0] === "pages",
    })));
}

/** The JSON at an address. Throws where there is none. */
async function read(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path}: ${response.status} ${response.statusText}`);
  return response.json();
}

async function main() {
  const [description, { sources }] = await Promise.all(
    [read("/api/openapi.json"), read("/api/sources")]);
  document.getElementById("version").textContent = description.info.version;
  for (const name of ["camera", "history"]) {
    document.getElementById(`link-${name}`).hidden = !(`/${name}` in description.paths);
  }
  const names = sources.map((source) => source.name);
  const all = calls(description);
  const place = document.getElementById("calls");
  for (const { name } of description.tags) {
    place.append(element("h2", { class: "group" }, name),
      ...all.filter((call) => call.kind === name).map((call) => card(call, names)));
  }
}

main().catch((error) => {
  const message = document.getElementById("message");
  message.textContent = `The description cannot be read: ${error.message}`;
  message.hidden = false;
});
