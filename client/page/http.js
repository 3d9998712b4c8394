/** The HTTP API. */

/** Why a request was not done, in words. */
export class RequestError extends Error {
  constructor(message, { code = null, status = 0, requestId = null } = {}) {
    super(message);
    this.code = code;
    this.status = status;
    this.requestId = requestId;
  }
}

export class HttpApi {
  #base;

  constructor(base) {
    this.#base = base.replace(/\/+$/, "");
  }

  createJob(image) {
    return this.#request("/v1/jobs", {
      method: "POST",
      body: image,
      headers: { "content-type": image.type },
    });
  }

  job({ jobId, accessKey }) {
    return this.#request(`/v1/jobs/${jobId}`, authorized(accessKey));
  }

  results({ jobId, accessKey }) {
    return this.#request(`/v1/jobs/${jobId}/results`, authorized(accessKey));
  }

  cancel({ jobId, accessKey }) {
    return this.#request(`/v1/jobs/${jobId}`, { method: "DELETE", ...authorized(accessKey) });
  }

  async #request(path, options) {
    const url = this.#base + path;
    let answer;
    try {
      answer = await fetch(url, options);
    } catch {
      throw new RequestError(
        `the service at ${new URL(url, location.href).origin} cannot be reached; check the connection and try again`,
      );
    }
    const body = await answer.json().catch(() => null);
    if (answer.ok && body !== null) return body;
    throw refusal(answer, body);
  }
}

function authorized(accessKey) {
  return { headers: { authorization: `Bearer ${accessKey}` } };
}

/** API Gateway answers some requests itself, with a `message` and no more. */
function refusal(answer, body) {
  const error = body?.error;
  const message =
    error?.message ??
    body?.message ??
    body?.Message ??
    `The service answered with ${answer.status}.`;
  return new RequestError(message, {
    code: error?.code ?? null,
    status: answer.status,
    requestId: error?.request_id ?? answer.headers.get("x-request-id"),
  });
}
