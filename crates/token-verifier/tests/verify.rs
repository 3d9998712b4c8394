//! Each way in which a token, a key or a set of keys is refused, and the tokens that are accepted.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    hmac,
    rand::SystemRandom,
    rsa::PublicKeyComponents,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
        RSA_PKCS1_SHA256, RsaKeyPair,
    },
};
use serde_json::{Value, json};
use token_verifier::{
    Expected, KeySet, KeySetError, LEEWAY_SECONDS, MAX_KEY_SET_BYTES, MAX_TOKEN_BYTES, TokenError,
    UnusableKey, Verified, verify,
};

const NOW: i64 = 1_800_000_000;
const EXPECTED: Expected<'static> = Expected {
    audience: "shop",
    issuer: None,
};

fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A key pair of an issuer.
enum Signer {
    EdDsa(Ed25519KeyPair),
    Es256(EcdsaKeyPair),
    Rs256(RsaKeyPair),
}

impl Signer {
    fn ed_dsa() -> Self {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("valid");
        Self::EdDsa(Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).expect("valid"))
    }

    fn es256() -> Self {
        let (algorithm, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("valid");
        Self::Es256(EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).expect("valid"))
    }

    fn rs256() -> Self {
        Self::Rs256(RsaKeyPair::from_der(include_bytes!("rsa-key.der")).expect("valid"))
    }

    fn algorithm(&self) -> &'static str {
        match self {
            Self::EdDsa(_) => "EdDSA",
            Self::Es256(_) => "ES256",
            Self::Rs256(_) => "RS256",
        }
    }

    fn jwk(&self, id: &str) -> Value {
        match self {
            Self::EdDsa(key) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "kid": id, "x": base64(key.public_key()) })
            }
            Self::Es256(key) => {
                let (x, y) = key.public_key().as_ref()[1..].split_at(32);
                json!({ "kty": "EC", "crv": "P-256", "kid": id, "x": base64(x), "y": base64(y) })
            }
            Self::Rs256(key) => {
                let public = PublicKeyComponents::<Vec<u8>>::from(key.public());
                json!({ "kty": "RSA", "kid": id, "n": base64(public.n), "e": base64(public.e) })
            }
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::EdDsa(key) => key.sign(message).as_ref().to_vec(),
            Self::Es256(key) => key.sign(&random, message).expect("valid").as_ref().to_vec(),
            Self::Rs256(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .expect("valid");
                signature
            }
        }
    }

    fn token(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", base64(header), base64(claims));
        format!("{signed}.{}", base64(self.sign(signed.as_bytes())))
    }

    /// A token with the right header for the key `1`.
    fn token_of(&self, claims: &Value) -> String {
        let header = json!({ "alg": self.algorithm(), "kid": "1", "typ": "JWT" });
        self.token(&header.to_string(), &claims.to_string())
    }
}

fn set(keys: &[Value]) -> Result<KeySet, KeySetError> {
    KeySet::parse(&json!({ "keys": keys }).to_string())
}

fn only(signer: &Signer) -> KeySet {
    set(&[signer.jwk("1")]).expect("usable")
}

fn claims() -> Value {
    json!({ "sub": "user-7", "aud": "shop", "exp": NOW + 300 })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn verified(token: &str, keys: &KeySet) -> Result<Verified<Value>, TokenError> {
    verify(token, keys, &EXPECTED, NOW)
}

fn refusal(token: &str, keys: &KeySet) -> TokenError {
    verified(token, keys).expect_err("refused")
}

#[test]
fn token_of_each_algorithm_is_accepted() {
    for signer in [Signer::ed_dsa(), Signer::es256(), Signer::rs256()] {
        let accepted = verified(&signer.token_of(&claims()), &only(&signer)).expect("accepted");
        assert_eq!(accepted.claims["sub"], "user-7");
        assert_eq!(accepted.expires_at, NOW + 300);
    }
}

#[test]
fn key_of_several_is_selected_by_its_id() {
    let signers = [Signer::ed_dsa(), Signer::es256(), Signer::rs256()];
    let keys: Vec<_> = signers.iter().zip(["a", "b", "c"]).collect();
    let keys: Vec<_> = keys.iter().map(|(signer, id)| signer.jwk(id)).collect();
    let keys = set(&keys).expect("usable");
    for (signer, id) in signers.iter().zip(["a", "b", "c"]) {
        let header = json!({ "alg": signer.algorithm(), "kid": id }).to_string();
        let token = signer.token(&header, &claims().to_string());
        assert!(verified(&token, &keys).is_ok(), "{id}");
    }
}

#[test]
fn es256_token_of_rfc_7515_has_a_valid_signature() {
    let keys = set(&[json!({
        "kty": "EC",
        "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    })]);
    let token = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt\
                 cGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djx\
                 La8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    // It has no `aud`, which is checked after the signature.
    assert_eq!(
        refusal(token, &keys.expect("usable")),
        TokenError::MissingClaim("aud")
    );
}

#[test]
fn algorithm_is_that_of_the_key() {
    let (ed_dsa, rs256) = (Signer::ed_dsa(), Signer::rs256());
    for name in [
        "none", "None", "HS256", "ES256", "RS256", "PS256", "RS384", "",
    ] {
        let header = json!({ "alg": name, "kid": "1" }).to_string();
        let token = ed_dsa.token(&header, &claims().to_string());
        let error = refusal(&token, &only(&ed_dsa));
        assert_eq!(error, TokenError::AlgorithmMismatch, "{name}");
    }
    // Without a signature.
    let unsigned = format!(
        "{}.{}.",
        base64(r#"{"alg":"none"}"#),
        base64(claims().to_string())
    );
    assert_eq!(
        refusal(&unsigned, &only(&rs256)),
        TokenError::AlgorithmMismatch
    );
    // Signed by HMAC with the public key, which everyone knows.
    let Signer::Rs256(pair) = &rs256 else {
        unreachable!("it is RSA")
    };
    let header = base64(r#"{"alg":"HS256","kid":"1"}"#);
    let signed = format!("{header}.{}", base64(claims().to_string()));
    let secret = hmac::Key::new(hmac::HMAC_SHA256, pair.public().as_ref());
    let token = format!(
        "{signed}.{}",
        base64(hmac::sign(&secret, signed.as_bytes()))
    );
    assert_eq!(
        refusal(&token, &only(&rs256)),
        TokenError::AlgorithmMismatch
    );
}

#[test]
fn token_of_another_key_is_refused() {
    for (signer, other) in [
        (Signer::ed_dsa(), Signer::ed_dsa()),
        (Signer::es256(), Signer::es256()),
    ] {
        let token = signer.token_of(&claims());
        assert_eq!(refusal(&token, &only(&other)), TokenError::InvalidSignature);
    }
    // Of the same type as the key of the set, but not in it.
    let signer = Signer::ed_dsa();
    let header = json!({ "alg": "EdDSA", "kid": "2" }).to_string();
    let token = signer.token(&header, &claims().to_string());
    assert_eq!(refusal(&token, &only(&signer)), TokenError::UnknownKey);
}

#[test]
fn key_of_the_header_is_not_used() {
    let (trusted, attacker) = (Signer::ed_dsa(), Signer::ed_dsa());
    let header = json!({
        "alg": "EdDSA", "kid": "1", "jwk": attacker.jwk("1"), "jku": "https://example.com/keys",
    });
    let token = attacker.token(&header.to_string(), &claims().to_string());
    assert_eq!(
        refusal(&token, &only(&trusted)),
        TokenError::InvalidSignature
    );
}

#[test]
fn token_without_a_key_id_needs_a_set_of_one_key() {
    let signer = Signer::ed_dsa();
    let token = signer.token(r#"{"alg":"EdDSA"}"#, &claims().to_string());
    assert!(verified(&token, &only(&signer)).is_ok());
    let two = set(&[signer.jwk("1"), Signer::es256().jwk("2")]).expect("usable");
    assert_eq!(refusal(&token, &two), TokenError::KeyIdMissing);
    let null = signer.token(r#"{"alg":"EdDSA","kid":null}"#, &claims().to_string());
    assert_eq!(
        refusal(&null, &only(&signer)),
        TokenError::Malformed("header")
    );
}

#[test]
fn critical_extension_is_refused() {
    let signer = Signer::ed_dsa();
    for critical in ["[\"b64\"]", "[]", "null"] {
        let header = format!(r#"{{"alg":"EdDSA","kid":"1","crit":{critical},"b64":false}}"#);
        let token = signer.token(&header, &claims().to_string());
        let error = refusal(&token, &only(&signer));
        assert_eq!(error, TokenError::CriticalExtension, "{critical}");
    }
}

#[test]
fn token_is_valid_from_nbf_to_exp_with_a_leeway() {
    let signer = Signer::ed_dsa();
    let keys = only(&signer);
    for (name, value, error) in [
        ("exp", json!(NOW - LEEWAY_SECONDS + 1), None),
        (
            "exp",
            json!(NOW - LEEWAY_SECONDS),
            Some(TokenError::Expired),
        ),
        ("exp", json!(-1e300), Some(TokenError::Expired)),
        ("nbf", json!(NOW + LEEWAY_SECONDS), None),
        (
            "nbf",
            json!(NOW + LEEWAY_SECONDS + 1),
            Some(TokenError::NotYetValid),
        ),
        ("nbf", json!(1e300), Some(TokenError::NotYetValid)),
        ("nbf", json!(NOW + 30), None),
    ] {
        let token = signer.token_of(&with(name, value.clone()));
        assert_eq!(verified(&token, &keys).err(), error, "{name} {value}");
    }
}

#[test]
fn token_for_another_audience_is_refused() {
    let signer = Signer::ed_dsa();
    let keys = only(&signer);
    for (audience, error) in [
        (json!("shop"), None),
        (json!(["mail", "shop"]), None),
        (json!("Shop"), Some(TokenError::WrongAudience)),
        (json!(["mail"]), Some(TokenError::WrongAudience)),
        (json!([]), Some(TokenError::WrongAudience)),
        (json!(""), Some(TokenError::WrongAudience)),
    ] {
        let token = signer.token_of(&with("aud", audience.clone()));
        assert_eq!(verified(&token, &keys).err(), error, "{audience}");
    }
}

#[test]
fn token_of_another_issuer_is_refused() {
    let signer = Signer::ed_dsa();
    let expected = Expected {
        issuer: Some("https://login.example.com/"),
        ..EXPECTED
    };
    for (issuer, error) in [
        (Some("https://login.example.com/"), None),
        (
            Some("https://login.example.com"),
            Some(TokenError::WrongIssuer),
        ),
        (None, Some(TokenError::MissingClaim("iss"))),
    ] {
        let mut claims = claims();
        if let Some(issuer) = issuer {
            claims["iss"] = json!(issuer);
        }
        let token = signer.token_of(&claims);
        let result = verify::<Value>(&token, &only(&signer), &expected, NOW);
        assert_eq!(result.err(), error, "{issuer:?}");
    }
}

#[test]
fn claim_that_is_missing_or_of_a_wrong_type_is_refused() {
    let signer = Signer::ed_dsa();
    let keys = only(&signer);
    for name in ["aud", "exp"] {
        let mut claims = claims();
        claims.as_object_mut().expect("valid").remove(name);
        let error = refusal(&signer.token_of(&claims), &keys);
        assert_eq!(error, TokenError::MissingClaim(name));
    }
    for (name, value) in [
        ("exp", json!("1900000000")),
        ("exp", Value::Null),
        ("nbf", json!("0")),
        ("nbf", Value::Null),
        ("nbf", json!([0])),
        ("aud", Value::Null),
        ("aud", json!(7)),
        ("aud", json!(["shop", 7])),
        ("iss", json!(["a"])),
    ] {
        let error = refusal(&signer.token_of(&with(name, value.clone())), &keys);
        assert_eq!(error, TokenError::Malformed("claims"), "{name} {value}");
    }
    let twice = format!(r#"{{"aud":"shop","exp":0,"exp":{}}}"#, NOW + 300);
    let token = signer.token(r#"{"alg":"EdDSA","kid":"1"}"#, &twice);
    assert_eq!(refusal(&token, &keys), TokenError::Malformed("claims"));
}

#[test]
fn malformed_token_is_refused() {
    let signer = Signer::ed_dsa();
    let keys = only(&signer);
    let good = signer.token_of(&claims());
    for (token, part) in [
        (String::new(), "token"),
        ("abc".to_owned(), "token"),
        (format!("{good}.{good}"), "token"),
        (format!("{good}="), "signature"),
        (format!("{good}\n"), "signature"),
        (format!("*{good}"), "header"),
        (format!("{}.e30.", base64("{")), "header"),
        (format!("{}.e30.", base64("7")), "header"),
        (signer.token(r#"["EdDSA","1",null]"#, "{}"), "header"),
        (format!("{}.*.", base64(r#"{"alg":"EdDSA"}"#)), "claims"),
        (
            signer.token(r#"{"alg":"EdDSA","kid":"1"}"#, "not JSON"),
            "claims",
        ),
        (signer.token(r#"{"alg":"EdDSA","kid":"1"}"#, "[]"), "claims"),
    ] {
        assert_eq!(
            refusal(&token, &keys),
            TokenError::Malformed(part),
            "{token}"
        );
    }
}

#[test]
fn token_that_is_too_large_is_refused_before_it_is_read() {
    let signer = Signer::ed_dsa();
    let keys = only(&signer);
    let large = signer.token_of(&with("padding", json!("x".repeat(MAX_TOKEN_BYTES))));
    assert_eq!(refusal(&large, &keys), TokenError::TooLarge);
    let fits = signer.token_of(&with("padding", json!("x".repeat(5000))));
    assert!(verified(&fits, &keys).is_ok());
}

#[test]
fn token_with_any_character_changed_is_refused() {
    for signer in [Signer::ed_dsa(), Signer::es256(), Signer::rs256()] {
        let (token, keys) = (signer.token_of(&claims()), only(&signer));
        for index in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("valid");
            assert!(verified(&changed, &keys).is_err(), "{index} of {token}");
        }
    }
}

#[test]
fn errors_contain_nothing_of_the_token() {
    let signer = Signer::ed_dsa();
    let keys = only(&signer);
    for claims in [
        with("aud", json!("secret-audience")),
        with("exp", json!("secret-time")),
        with("nbf", json!(NOW + 1_234_567)),
    ] {
        let error = refusal(&signer.token_of(&claims), &keys);
        let text = format!("{error} {error:?} {}", error.name());
        assert!(
            !text.contains("secret") && !text.contains("1234567"),
            "{text}"
        );
    }
}

#[test]
fn unusable_keys_are_ignored_and_named() {
    let usable = Signer::ed_dsa();
    let point = Signer::es256().jwk("p");
    let rsa = Signer::rs256().jwk("r");
    let changed = |key: &Value, name: &str, value: Value| {
        let mut key = key.clone();
        key[name] = value;
        key
    };
    let short = base64([0xff; 128]);
    for (key, reason) in [
        (
            json!({ "kty": "EC", "crv": "P-384", "kid": "x" }),
            UnusableKey::Type,
        ),
        (
            json!({ "kty": "OKP", "crv": "X25519", "kid": "x" }),
            UnusableKey::Type,
        ),
        (json!({ "kty": "XYZ" }), UnusableKey::Type),
        (
            changed(&point, "y", json!("AAAA")),
            UnusableKey::Member("y"),
        ),
        (changed(&point, "x", json!("a=")), UnusableKey::Member("x")),
        (changed(&point, "x", Value::Null), UnusableKey::Member("x")),
        (changed(&rsa, "n", json!(short)), UnusableKey::RsaBits(1024)),
        (
            changed(&rsa, "n", json!(base64([0xff; 1025]))),
            UnusableKey::RsaBits(8200),
        ),
        (changed(&rsa, "e", json!("Aw")), UnusableKey::RsaExponent),
        (changed(&rsa, "e", json!("AQAC")), UnusableKey::RsaExponent),
        (
            changed(&rsa, "e", json!(base64([1; 9]))),
            UnusableKey::Member("e"),
        ),
        (changed(&rsa, "use", json!("enc")), UnusableKey::Use),
        (
            changed(&rsa, "key_ops", json!(["encrypt"])),
            UnusableKey::Use,
        ),
        (changed(&rsa, "alg", json!("PS256")), UnusableKey::Algorithm),
        (
            changed(&point, "alg", json!("RS256")),
            UnusableKey::Algorithm,
        ),
    ] {
        let keys = set(&[usable.jwk("1"), key.clone()]).expect("one is usable");
        let ignored: Vec<_> = keys
            .ignored()
            .iter()
            .map(|it| (it.index, &it.reason))
            .collect();
        assert_eq!(ignored, [(1, &reason)], "{key}");
        let alone = set(&[key]).expect_err("none is usable");
        assert_eq!(alone, KeySetError::NoUsableKey(Some(reason)));
    }
}

#[test]
fn set_without_ids_with_secrets_or_of_excessive_size_is_refused() {
    let key = Signer::ed_dsa().jwk("1");
    let mut unnamed = key.clone();
    unnamed.as_object_mut().expect("valid").remove("kid");
    let mut private = key.clone();
    private["d"] = json!("AAAA");
    let symmetric = json!({ "kty": "oct", "k": "AAAA", "kid": "2" });
    assert_eq!(set(&[]), Err(KeySetError::NoUsableKey(None)));
    assert_eq!(
        set(&[key.clone(), unnamed]),
        Err(KeySetError::KeyIdMissing(1))
    );
    assert_eq!(set(&[private]), Err(KeySetError::SecretKey(0)));
    assert_eq!(
        set(&[key.clone(), symmetric]),
        Err(KeySetError::SecretKey(1))
    );
    assert_eq!(
        set(&[key.clone(), key.clone()]),
        Err(KeySetError::DuplicateKeyId("1".to_owned()))
    );
    for document in ["", "[]", "{}", r#"{"keys":7}"#, r#"{"keys":[7]}"#] {
        let error = KeySet::parse(document).expect_err(document);
        assert!(matches!(error, KeySetError::Malformed(_)), "{error}");
    }
    let large = format!("{}{{}}", " ".repeat(MAX_KEY_SET_BYTES));
    assert!(matches!(
        KeySet::parse(&large),
        Err(KeySetError::TooLarge(_))
    ));
}
