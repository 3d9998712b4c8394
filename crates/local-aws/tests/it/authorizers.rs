//! Authorizers: JWTs for a route of the HTTP API, a function for `$connect`.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{Method, StatusCode};
use local_aws::{LocalStack, Options};
use ring::{
    rand::SystemRandom,
    rsa::PublicKeyComponents,
    signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::harness::{Response, Socket, binaries, logged, send, start_with, template};

const AUDIENCE: &str = "shop";
/// 2100-01-01, in epoch seconds.
const FUTURE: i64 = 4_102_444_800;

/// A token issuer on this machine. Its key is used only by these tests.
struct Issuer {
    address: String,
    key: RsaKeyPair,
}

impl Issuer {
    async fn start() -> Self {
        let key = RsaKeyPair::from_der(include_bytes!("issuer-key.der")).expect("a key");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let public = PublicKeyComponents::<Vec<u8>>::from(key.public_key());
        let keys = json!({ "keys": [{
            "kty": "RSA",
            "kid": "key-1",
            "alg": "RS256",
            "n": URL_SAFE_NO_PAD.encode(&public.n),
            "e": URL_SAFE_NO_PAD.encode(&public.e),
        }] });
        let configuration = json!({ "issuer": address, "jwks_uri": format!("{address}/keys") });
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = vec![0; 4096];
                let read = stream.read(&mut request).await.unwrap_or_default();
                let is_for_keys = request[..read].starts_with(b"GET /keys ");
                let body = if is_for_keys { &keys } else { &configuration }.to_string();
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
                );
                stream.write_all(answer.as_bytes()).await.ok();
            }
        });
        Self { address, key }
    }

    /// A signed token with these claims and `iss`.
    fn token(&self, claims: Value) -> String {
        let mut claims = claims;
        claims["iss"] = self.address.as_str().into();
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = part(&json!({ "alg": "RS256", "kid": "key-1", "typ": "JWT" }));
        let signed = format!("{header}.{}", part(&claims));
        let mut signature = vec![0; self.key.public().modulus_len()];
        let random = SystemRandom::new();
        self.key
            .sign(
                &RSA_PKCS1_SHA256,
                &random,
                signed.as_bytes(),
                &mut signature,
            )
            .expect("a signature");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

async fn post(stack: &LocalStack, token: &str) -> Response {
    let url = format!("{}/v1/echo/token", stack.urls().http_api);
    let authorization = format!("Bearer {token}");
    let headers = [("authorization", authorization.as_str())];
    let headers = if token.is_empty() {
        &headers[..0]
    } else {
        &headers[..]
    };
    send(Method::POST, &url, headers, "").await
}

#[tokio::test]
async fn jwt_authorizer_accepts_only_a_valid_token() {
    let issuer = Issuer::start().await;
    let mut template = template();
    template["Resources"]["HttpAuthorizer"] = json!({
        "Type": "AWS::ApiGatewayV2::Authorizer",
        "Properties": {
            "ApiId": { "Ref": "HttpApi" },
            "Name": "orders",
            "AuthorizerType": "JWT",
            "IdentitySource": ["$request.header.Authorization"],
            "JwtConfiguration": { "Issuer": issuer.address, "Audience": [AUDIENCE] },
        },
    });
    let route = &mut template["Resources"]["HttpEchoRoute"]["Properties"];
    route["AuthorizationType"] = "JWT".into();
    route["AuthorizerId"] = json!({ "Ref": "HttpAuthorizer" });
    let stack = start_with(Options::new(template, binaries())).await;
    assert_eq!(stack.warnings().len(), 1, "{:?}", stack.warnings());

    let good = json!({ "aud": AUDIENCE, "exp": FUTURE, "sub": "user", "scope": "a b" });
    let token = issuer.token(good.clone());
    let answer = post(&stack, &token).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let jwt = &answer.json()["requestContext"]["authorizer"]["jwt"];
    assert_eq!(jwt["claims"]["sub"], "user");
    assert_eq!(jwt["claims"]["exp"], FUTURE.to_string());
    assert_eq!(jwt["scopes"], json!(["a", "b"]));

    let mut other = good.clone();
    other["aud"] = "other".into();
    let mut old = good;
    old["exp"] = 1.into();
    let unsigned = token.rsplit_once('.').expect("a signature").0.to_owned() + ".AAAA";
    let refused = [
        String::new(),
        "nonsense".to_owned(),
        unsigned,
        issuer.token(other),
        issuer.token(old),
    ];
    for token in refused {
        let answer = post(&stack, &token).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{token}");
        assert_eq!(answer.json(), json!({ "message": "Unauthorized" }));
    }

    // Other routes need no token.
    let url = format!("{}/v1/echo/open", stack.urls().http_api);
    assert_eq!(
        send(Method::GET, &url, &[], "").await.status,
        StatusCode::OK
    );
}

/// The template with a function as the authorizer of `$connect`.
fn with_authorizer(function: &str) -> Value {
    let mut template = template();
    let uri = format!(
        "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/\
         arn:aws:lambda:us-east-1:000000000000:function:{function}/invocations"
    );
    template["Resources"]["ConnectAuthorizer"] = json!({
        "Type": "AWS::ApiGatewayV2::Authorizer",
        "Properties": {
            "ApiId": { "Ref": "WebSocketApi" },
            "Name": "connect",
            "AuthorizerType": "REQUEST",
            "IdentitySource": ["route.request.querystring.token"],
            "AuthorizerUri": uri,
        },
    });
    let route = &mut template["Resources"]["ConnectRoute"]["Properties"];
    route["AuthorizationType"] = "CUSTOM".into();
    route["AuthorizerId"] = json!({ "Ref": "ConnectAuthorizer" });
    template
}

#[tokio::test]
async fn request_authorizer_function_decides_on_connect() {
    // The function is not in the template, so the executable with its name runs.
    let stack = start_with(Options::new(with_authorizer("echo"), binaries())).await;
    let url = &stack.urls().websocket;
    let mut socket = Socket::open(&format!("{url}?token=allow")).await;
    let event = logged(&stack, "connect ").await;
    let authorizer = &event["requestContext"]["authorizer"];
    assert_eq!(*authorizer, json!({ "principalId": "user", "tenant": "a" }));
    socket.send(r#"{"type":"echo"}"#).await;
    let message = socket.receive().await;
    assert_eq!(message["requestContext"]["authorizer"], *authorizer);

    for (query, status) in [
        ("", StatusCode::UNAUTHORIZED),
        ("?token=", StatusCode::UNAUTHORIZED),
        ("?token=unauthorized", StatusCode::UNAUTHORIZED),
        ("?token=deny", StatusCode::FORBIDDEN),
        ("?token=fail", StatusCode::INTERNAL_SERVER_ERROR),
    ] {
        let (refused, _) = Socket::rejected(&format!("{url}{query}")).await;
        assert_eq!(refused, status, "{query}");
    }
}

#[tokio::test]
async fn authorizer_without_an_executable_is_reported_as_open() {
    let stack = start_with(Options::new(with_authorizer("absent"), binaries())).await;
    let named = stack.warnings().iter().any(|warning| {
        warning.contains("'absent' has no executable") && warning.contains("$connect")
    });
    assert!(named, "{:?}", stack.warnings());
    Socket::open(&stack.urls().websocket).await;
}

#[tokio::test]
async fn function_authorizer_of_the_http_api_is_reported_as_open() {
    let mut template = with_authorizer("echo");
    template["Resources"]["ConnectAuthorizer"]["Properties"]["ApiId"] = json!({"Ref": "HttpApi"});
    let connect = &mut template["Resources"]["ConnectRoute"]["Properties"];
    connect["AuthorizationType"] = "NONE".into();
    let route = &mut template["Resources"]["HttpEchoRoute"]["Properties"];
    route["AuthorizationType"] = "CUSTOM".into();
    route["AuthorizerId"] = json!({ "Ref": "ConnectAuthorizer" });
    let stack = start_with(Options::new(template, binaries())).await;
    let warning = "the authorizer of HttpEchoRoute (CUSTOM) does not run locally: 'POST /v1/echo/{name}' is \
                   open";
    assert!(
        stack.warnings().iter().any(|known| known == warning),
        "{:?}",
        stack.warnings()
    );
}
