//! A receiver of webhooks on this machine, which can fail in many ways.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// What the receiver does with a request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// These bytes, and the end of the connection.
    Bytes(Vec<u8>),
    /// Nothing, for ever.
    Hang,
    /// A status, and a body without an end.
    Endless(u16),
    /// The end of the connection.
    Close,
}

impl Reply {
    /// A status with a short body.
    pub fn status(status: u16) -> Self {
        Self::with_headers(status, "")
    }

    /// A status with headers, each with its end of line.
    pub fn with_headers(status: u16, headers: &str) -> Self {
        let text = format!("HTTP/1.1 {status} Status\r\ncontent-length: 5\r\n{headers}\r\nthere");
        Self::Bytes(text.into_bytes())
    }
}

/// A request that the receiver got.
#[derive(Clone, Debug)]
pub struct Received {
    /// Its first line, `POST /hook HTTP/1.1`.
    pub line: String,
    /// Its headers, by their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// Its body.
    pub body: String,
}

/// A receiver of webhooks. It replies to each request with the next of its replies, and with 204 after the last.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    _connections: JoinSet<()>,
}

impl Receiver {
    /// A receiver on a free port.
    ///
    /// # Panics
    ///
    /// When there is no free port.
    pub async fn replying(replies: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let received = Arc::<Mutex<Vec<_>>>::default();
        let mut replies = replies.into_iter().collect::<Vec<_>>().into_iter();
        let mut connections = JoinSet::new();
        let requests = Arc::clone(&received);
        connections.spawn(async move {
            let mut open = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                let reply = replies.next().unwrap_or_else(|| Reply::status(204));
                open.spawn(serve(stream, reply, Arc::clone(&requests)));
            }
        });
        Self {
            address,
            received,
            _connections: connections,
        }
    }

    /// Its URL, with the path `/hook` and a query.
    pub fn url(&self) -> String {
        format!("http://{}/hook?from=test", self.address)
    }

    /// The requests so far, oldest first.
    ///
    /// # Panics
    ///
    /// When the receiver has panicked.
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().expect("no panic").clone()
    }
}

async fn serve(mut stream: TcpStream, reply: Reply, received: Arc<Mutex<Vec<Received>>>) {
    let Some(request) = read(&mut stream).await else {
        return;
    };
    received.lock().expect("no panic").push(request);
    match reply {
        Reply::Bytes(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Reply::Hang => std::future::pending().await,
        Reply::Close => {}
        Reply::Endless(status) => {
            let head = format!("HTTP/1.1 {status} Status\r\nconnection: close\r\n\r\n");
            let _ = stream.write_all(head.as_bytes()).await;
            while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
        }
    }
}

/// Reads one request with a `content-length`.
async fn read(stream: &mut TcpStream) -> Option<Received> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(end) = bytes.windows(4).position(|it| it == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).ok()?;
    let mut lines = head.split("\r\n");
    let line = lines.next()?.to_owned();
    let headers: BTreeMap<_, _> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length: usize = headers.get("content-length")?.parse().ok()?;
    let mut body = bytes.split_off(head_end + 4);
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    let body = String::from_utf8(body).ok()?;
    Some(Received {
        line,
        headers,
        body,
    })
}
