/** Files from wherever they come: chosen, dropped (folders too), pasted. */

/** A folder may hold a life; this many at once is what one can still look at. */
const MOST_FROM_FOLDERS = 500;

/** Call `take` with every list of files that arrives. The window shows that it would take what is dragged over it. */
export function listenForFiles({ button, input, door, veil, take }) {
  button.addEventListener("click", () => input.click());
  door.addEventListener("click", (event) => event.target.closest("button, a, input") ?? input.click());
  input.addEventListener("change", () => {
    take([...input.files]);
    input.value = ""; // so that the same file can be chosen again
  });
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length === 0) return;
    event.preventDefault();
    take(files.map(named));
  });
  listenForDrops(veil, take);
}

function listenForDrops(veil, take) {
  let depth = 0;
  let ours = false; // a picture of this very page is being dragged
  const show = (change) => {
    depth = Math.max(0, change);
    veil.classList.toggle("shown", depth > 0);
  };
  const wanted = (event) => !ours && event.dataTransfer?.types.includes("Files");
  addEventListener("dragstart", () => (ours = true));
  addEventListener("dragend", () => (ours = false));
  addEventListener("dragenter", (event) => wanted(event) && (event.preventDefault(), show(depth + 1)));
  addEventListener("dragleave", (event) => wanted(event) && show(depth - 1));
  addEventListener("dragover", (event) => {
    if (!wanted(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
  });
  addEventListener("drop", async (event) => {
    show(0);
    if (!wanted(event)) return;
    event.preventDefault();
    take(await droppedFiles(event.dataTransfer));
  });
}

/** The files of a drop. Everything must be taken from it at once: afterwards the browser empties it. */
async function droppedFiles(transfer) {
  const plain = [...transfer.files];
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return plain;
  const found = [];
  for (const entry of entries) await collect(entry, found, !entry.isDirectory);
  return found;
}

/** Of a folder only pictures are meant: it also holds what the system put there. */
async function collect(entry, found, meant) {
  if (found.length >= MOST_FROM_FOLDERS) return;
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    if (meant || file.type.startsWith("image/")) found.push(file);
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)); // at most 100 at a time
    if (some.length === 0) return;
    for (const inner of some) await collect(inner, found, false);
  }
}

/** Browsers call every picture on the clipboard image.png. */
function named(file) {
  return file.name === "image.png" ? new File([file], "Pasted picture.png", { type: file.type }) : file;
}
