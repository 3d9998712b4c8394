//! A minimal HTTP server for the fake: one request per connection.

use std::{
    collections::HashMap,
    io::{self, BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    thread,
    time::Duration,
};

/// A parsed request.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) method: String,
    /// The path without the query string.
    pub(super) path: String,
    pub(super) query: String,
    /// The header with the signature, in lower case.
    pub(super) authorization: String,
    /// All headers, with names in lower case.
    pub(super) headers: HashMap<String, String>,
    /// The header `x-amz-target` with the operation, for services with a JSON protocol.
    pub(super) target: String,
    pub(super) body: String,
}

#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// The body. A successful answer to HEAD has none: then these are more headers, each with the end of its
    /// line.
    pub(super) body: String,
}

impl Answer {
    /// The status for a request that is never answered.
    pub(super) const NEVER: u16 = 0;

    pub(super) fn ok(body: impl Into<String>) -> Self {
        let body = body.into();
        Self { status: 200, body }
    }
}

impl Request {
    fn read(stream: &TcpStream) -> io::Result<Option<Self>> {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let mut parts = line.split(' ');
        let method = parts.next().unwrap_or_default().to_owned();
        let target = parts.next().unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let (path, query) = (path.to_owned(), query.to_owned());
        let mut length = 0;
        let (mut authorization, mut operation) = (String::new(), String::new());
        let mut headers = HashMap::new();
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            if let Some((name, value)) = header.split_once(": ") {
                headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
                if name.eq_ignore_ascii_case("x-amz-target") {
                    value.trim().clone_into(&mut operation);
                }
            }
            let header = header.trim().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length: ") {
                length = value.parse().map_err(io::Error::other)?;
            }
            if let Some(value) = header.strip_prefix("authorization: ") {
                value.clone_into(&mut authorization);
            }
            if header == "expect: 100-continue" {
                (&*stream).write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        Ok(Some(Self {
            method,
            path,
            query,
            authorization,
            headers,
            target: operation,
            body: String::from_utf8_lossy(&body).into_owned(),
        }))
    }

    /// The decoded fields of a form, the protocol of CloudFormation and STS.
    pub(super) fn form(&self) -> HashMap<String, String> {
        url::form_urlencoded::parse(self.body.as_bytes())
            .into_owned()
            .collect()
    }
}

/// Answers requests on a free port until the process ends. Returns the address.
pub(super) fn serve(answer: impl Fn(Request) -> Answer + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let answer = std::sync::Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let answer = answer.clone();
            thread::spawn(move || {
                let Ok(Some(request)) = Request::read(&stream) else {
                    return;
                };
                let is_head = request.method == "HEAD";
                let Answer { status, body } = answer(request);
                if status == Answer::NEVER {
                    thread::sleep(Duration::from_mins(1));
                    return;
                }
                let (headers, body) = match (is_head, status) {
                    (true, 200) => (body, String::new()),
                    (true, _) => (String::new(), String::new()),
                    (false, _) => (String::new(), body),
                };
                let length = body.len();
                let text = format!(
                    "HTTP/1.1 {status} Answer\r\ncontent-length: {length}\r\nx-amzn-requestid: r-1\r\n\
                     {headers}connection: close\r\n\r\n{body}"
                );
                // The client may have closed the connection.
                let _ = (&stream).write_all(text.as_bytes());
            });
        }
    });
    format!("http://{address}")
}
