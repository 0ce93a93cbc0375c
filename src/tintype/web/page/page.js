/** The page at `/`: files come in, pictures appear, links go out. */

import { Announcer } from "./announcer.js";
import { Card, fileSize, showCopied } from "./card.js";
import { copyText } from "./clipboard.js";
import { listenForFiles } from "./incoming_files.js";
import { directLink } from "./links.js";
import { isSignedIn } from "./session.js";
import { Upload } from "./upload.js";
import { forget, readHistory, remember } from "./upload_history.js";
import { UploadQueue } from "./upload_queue.js";

const byId = (id) => document.getElementById(id);
const announcer = new Announcer(byId("announcer"));
const queue = new UploadQueue();
const maxBytes = Number(document.body.dataset.maxBytes);

/** @type {Map<Upload, Card>} in the order of the list, newest first */
let shown = new Map();

if (isSignedIn()) {
  byId("account-link").textContent = "Your account";
  byId("account-link").href = "/account";
}

function takeFiles(files) {
  if (files.length === 0) return;
  const now = Date.now();
  const uploads = files.map((file, place) => new Upload({ file, name: file.name, added: now - place / 1000 }));
  showAtTop(uploads);
  announcer.say(files.length === 1 ? `Uploading ${files[0].name}.` : `Uploading ${files.length} pictures.`);
  for (const upload of uploads) begin(upload);
  byId("uploads").scrollIntoView({ block: "nearest" });
}

/** The server decides; but whoever sends 100 MB over a phone wants to know before, not after. */
function begin(upload) {
  if (upload.size > maxBytes) {
    upload.fail(`This file has ${fileSize(upload.size)}; at most ${fileSize(maxBytes)} are taken.`, { retryable: false });
  } else {
    queue.add(upload);
  }
}

function showAtTop(uploads) {
  const cards = uploads.map((upload) => [upload, makeCard(upload)]);
  byId("cards").prepend(...cards.map(([, card]) => card.element));
  shown = new Map([...cards, ...shown]);
  showList();
}

function makeCard(upload) {
  const card = new Card(byId("card"), upload, { announcer, ask: (what) => answer(upload, what) });
  let before = upload.state;
  upload.onChange = () => {
    const after = upload.state;
    card.show();
    if (after !== before) changed(upload, before, (before = after));
  };
  return card;
}

function answer(upload, what) {
  if (what === "cancel") {
    queue.remove(upload);
    upload.cancel();
  } else if (what === "retry" && upload.state === "waiting") {
    queue.hurry();
  } else if (what === "retry") {
    upload.retry();
    begin(upload);
  } else if (what === "again") {
    upload.follow();
  } else if (what === "delete") {
    upload.delete();
  } else if (what === "undo") {
    upload.restore();
  } else if (what === "purge") {
    upload.purge();
  } else {
    if (upload.state === "trashed") forget(upload.image.id);
    remove(upload);
  }
}

function changed(upload, before, after) {
  const { name, problem } = upload;
  if (upload.hasLink || after === "refused" || after === "trashed") keep(upload);
  if (after === "processing") upload.follow();
  if (after === "trashed" && before === "deleting" && !problem) announcer.say(`${name} is deleted. Undo brings it back.`);
  if (before === "restoring" && upload.hasLink) announcer.say(`${name} is back.`);
  if (after === "ready" && before === "processing") announcer.say(`${name} is ready.`);
  if (problem && ["failed", "refused", "overdue"].includes(after)) announcer.say(`${name}: ${problem}`);
  if (after === "cancelled") announcer.say(`${name} is cancelled.`);
  if (after === "gone") leave(upload, before);
  showList();
}

function keep(upload) {
  if (!remember(upload)) {
    byId("uploads-note").textContent = "This browser keeps no list. Copy your links before you leave.";
  }
}

/** What was deleted here vanishes; what was deleted elsewhere says so once. */
function leave(upload, before) {
  forget(upload.image.id);
  if (before !== "deleting") return;
  announcer.say(`${upload.name} is deleted for good.`);
  remove(upload);
}

function remove(upload) {
  const card = shown.get(upload);
  const hadFocus = card.element.contains(document.activeElement);
  const uploads = [...shown.keys()];
  const place = uploads.indexOf(upload);
  upload.forgetPreview();
  card.element.remove();
  shown.delete(upload);
  showList();
  if (!hadFocus) return;
  const neighbour = uploads[place + 1] ?? uploads[place - 1];
  if (neighbour) shown.get(neighbour).focus();
  else byId("choose").focus();
}

function showList() {
  const uploads = [...shown.keys()];
  byId("uploads").hidden = uploads.length === 0;
  document.body.classList.toggle("has-uploads", uploads.length > 0);
  byId("copy-all").hidden = uploads.filter((upload) => upload.hasLink).length < 2;
  byId("retry-all").hidden = uploads.filter(mayRetry).length < 2;
}

async function copyAll(event) {
  const links = [...shown.keys()].filter((upload) => upload.hasLink).map(directLink);
  if (await copyText(links.join("\n"))) {
    showCopied(event.currentTarget ?? byId("copy-all"));
    announcer.say(`Copied: ${links.length} links.`);
  }
}

function retryAll() {
  for (const upload of [...shown.keys()].filter(mayRetry)) answer(upload, "retry");
}

function mayRetry({ state, retryable }) {
  return state === "failed" && retryable;
}

/** Pictures of earlier visits appear at once, and are asked after one by one: links may have been deleted since. */
async function showHistory() {
  const uploads = readHistory().map(Upload.remembered);
  if (uploads.length === 0) return;
  showAtTop(uploads);
  for (const upload of uploads) {
    if (upload.state === "processing") upload.follow();
    else await upload.look();
  }
}

function showCurl() {
  const images = `${location.origin}/api/v1/images`;
  byId("curl").textContent = [
    "# Upload: the answer has the link, the thumbnails, and the token that deletes",
    `curl -F file=@photo.jpg ${images}`,
    "",
    '{"id": "img_…", "state": "processing", "url": "…/i/img_…/original.jpg?v=1",',
    ' "thumbnails": {"thumb": "…", "gallery": "…", "medium": "…"},',
    ' "delete_token": "ttw_…", …}',
    "",
    "# Delete for good",
    "curl -X DELETE -H 'Upload-Token: ttw_…' \\",
    `  ${images}/img_…?purge=true`,
  ].join("\n");
}

listenForFiles({
  button: byId("choose"),
  input: byId("files"),
  door: byId("door"),
  veil: byId("drop-veil"),
  take: takeFiles,
});
byId("copy-all").addEventListener("click", copyAll);
byId("retry-all").addEventListener("click", retryAll);
addEventListener("beforeunload", (event) => queue.isBusy && event.preventDefault());
showCurl();
showHistory();
