// A minimal runtime for Node: imports the handler, then polls the Runtime API. Replaces aws-lambda-ric, whose native addon
// must be compiled on installation.

import http from "node:http";

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(":");
const agent = new http.Agent({ keepAlive: true });

function call(method, path, body) {
  return new Promise((resolve, reject) => {
    const request = http.request({ host, port, method, path, agent }, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("end", () => resolve({ headers: response.headers, body: Buffer.concat(chunks) }));
    });
    request.on("error", reject);
    request.end(body);
  });
}

const { handle } = await import("./handler.mjs");
for (;;) {
  const event = await call("GET", "/2018-06-01/runtime/invocation/next");
  const answer = JSON.stringify(await handle(JSON.parse(event.body)));
  const id = event.headers["lambda-runtime-aws-request-id"];
  await call("POST", `/2018-06-01/runtime/invocation/${id}/response`, answer);
}
