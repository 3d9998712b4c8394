//! WebSocket connections: for watches, and for programs that exchange further messages.

use std::sync::Arc;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config, tungstenite::Message,
};

use crate::{error::Error, http::HttpClient};

/// A connection to the WebSocket API. Each frame is one JSON object.
#[derive(Debug)]
pub struct WebSocket {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    url: String,
}

impl WebSocket {
    /// Connects to the WebSocket API at `url`, with the TLS settings of `http`.
    ///
    /// # Errors
    ///
    /// [`Error::Unreachable`], also for a rejected handshake.
    pub async fn connect(http: &HttpClient, url: &str) -> Result<Self, Error> {
        let connector = Connector::Rustls(Arc::clone(&http.tls()));
        let connected = connect_async_tls_with_config(url, None, true, Some(connector));
        match Box::pin(connected).await {
            Ok((socket, _)) => Ok(Self {
                socket,
                url: url.to_owned(),
            }),
            Err(error) => Err(unreachable(url, &error)),
        }
    }

    /// Sends a frame.
    ///
    /// # Errors
    ///
    /// [`Error::Unreachable`]: the connection is broken.
    pub async fn send(&mut self, text: String) -> Result<(), Error> {
        let sent = self.socket.send(Message::text(text)).await;
        sent.map_err(|error| unreachable(&self.url, &error))
    }

    /// The next frame; none once the connection is closed or broken. Cancel-safe.
    pub async fn next(&mut self) -> Option<String> {
        loop {
            match self.socket.next().await? {
                Ok(Message::Text(text)) => return Some(text.as_str().to_owned()),
                Ok(Message::Close(_)) | Err(_) => return None,
                // The library answers pings.
                Ok(_) => {}
            }
        }
    }

    /// Closes the connection.
    pub async fn close(mut self) {
        // The connection may be broken already.
        let _ = self.socket.close(None).await;
    }
}

fn unreachable(url: &str, error: &tokio_tungstenite::tungstenite::Error) -> Error {
    Error::Unreachable {
        url: url.split('?').next().unwrap_or_default().to_owned(),
        cause: error.to_string(),
    }
}
