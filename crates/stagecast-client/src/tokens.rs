//! Owner tokens, with which a program acts for a user.

use std::{error::Error as StdError, fmt, sync::Arc};

use futures_util::future::{BoxFuture, FutureExt as _};

use crate::error::Error;

type Provide = dyn Fn() -> BoxFuture<'static, Result<String, Error>> + Send + Sync;

/// Where a client gets owner tokens: JSON Web Tokens, which your backend or identity provider signs. Clones share it.
///
/// ```
/// use stagecast_client::{Client, Tokens};
///
/// # async fn request_token() -> Result<String, std::io::Error> { Ok(String::new()) }
/// let tokens = Tokens::from_fn(request_token);
/// let client = Client::new("https://api.example.com")?.with_tokens(tokens);
/// # Ok::<(), stagecast_client::Error>(())
/// ```
#[derive(Clone)]
pub struct Tokens {
    provide: Arc<Provide>,
    is_renewable: bool,
}

impl Tokens {
    /// Calls `provide` for each request, for each connection of a watch, and before the token of a connection expires.
    /// It may return the same token until shortly before its expiry.
    pub fn from_fn<F, T, E>(provide: F) -> Self
    where
        F: Fn() -> T + Send + Sync + 'static,
        T: Future<Output = Result<String, E>> + Send + 'static,
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        Self {
            provide: Arc::new(move || {
                let token = provide();
                async move { token.await.map_err(no_token) }.boxed()
            }),
            is_renewable: true,
        }
    }

    /// Always this token. A watch ends with it: the error has the code `token_expired`.
    pub fn fixed(token: impl Into<String>) -> Self {
        let token = token.into();
        Self {
            provide: Arc::new(move || std::future::ready(Ok(token.clone())).boxed()),
            is_renewable: false,
        }
    }

    pub(crate) async fn get(&self) -> Result<String, Error> {
        (self.provide)().await
    }

    pub(crate) const fn is_renewable(&self) -> bool {
        self.is_renewable
    }
}

fn no_token(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
    Error::NoToken {
        cause: error.into().to_string(),
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Tokens")
            .field("is_renewable", &self.is_renewable)
            .finish_non_exhaustive()
    }
}
