// Fetches each URL and prints a line for it: what came, or the kind of error. `tcp://HOST:PORT` is
// connected to without HTTP, and the first line that comes is printed.
import net from "node:net";

const KINDS = {
  ENOTFOUND: "name", EACCES: "access", ECONNREFUSED: "refused", ECONNRESET: "reset", EPIPE: "reset",
};

function kind(error) {
  const cause = error.cause ?? error;
  const code = cause.code ?? cause.errors?.[0]?.code;
  return error.name === "TimeoutError" ? "timeout" : KINDS[code] ?? `other: ${code} ${cause}`;
}

function firstLine(host, port) {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ host, port });
    socket.setTimeout(20000, () => socket.destroy(Object.assign(new Error(), { name: "TimeoutError" })));
    socket.on("data", (data) => { socket.destroy(); resolve(String(data).trim()); });
    socket.on("error", reject);
    socket.on("close", () => reject(new Error("closed")));
  });
}

async function get(url) {
  if (url.startsWith("tcp:")) {
    const [host, port] = url.slice(6).split(":");
    return firstLine(host, Number(port));
  }
  const answer = await fetch(url, { signal: AbortSignal.timeout(20000) });
  return answer.text();
}

for (const url of process.argv.slice(2)) {
  console.log(await get(url).then((text) => `ok ${text}`, kind));
}
