//! Rules for the inputs that a product's pipeline accepts.
//!
//! The rules are data of the product's contract. Everything that depends on them follows: the validation
//! of `POST /v1/jobs`, its error messages, the OpenAPI document, and the file picker of the progress page.
//! Jobs for external workers accept any input.

use serde::{Serialize, de::DeserializeOwned};
use typed_contract::const_fmt::const_panic;

use crate::{
    limits::{MAX_INPUT_BYTES, MAX_UPLOAD_BYTES},
    reading::{self, FieldError},
};

/// The accepted inputs. The progress page reads these rules as JSON.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct InputRules {
    /// What an input is called in messages, a noun without its article: `floor plan`.
    pub name: &'static str,
    /// The accepted types, at least one. Examples use the first.
    pub media_types: &'static [MediaType],
    /// Size limit of an input, in bytes; at most [`MAX_UPLOAD_BYTES`]. An input of more than
    /// [`MAX_INPUT_BYTES`] does not fit into a request: it has to be uploaded.
    pub max_bytes: usize,
    /// Validates an input of an accepted type before the job is created. The error is sent to the
    /// client with the code `invalid_input`: it says what is wrong and how to correct it.
    /// [`no_check`] accepts every input. A check that takes more than milliseconds belongs in the
    /// first stage. An uploaded input of more than [`MAX_INPUT_BYTES`] is not checked.
    #[serde(skip)]
    pub check: fn(&'static MediaType, &[u8]) -> Result<(), String>,
    /// Validates the parameters of a job before it is created; for a job without parameters, `{}`.
    /// [`any_parameters`] accepts every object, and [`parameters_of`] those that a type can be
    /// deserialized from.
    #[serde(skip)]
    pub check_parameters: fn(&str) -> Result<(), InvalidParameters>,
    /// Path of a sample input in the repository, used in the commands that `cargo dev` prints.
    /// Empty if there is none.
    #[serde(skip)]
    pub example: &'static str,
}

/// An accepted type of input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MediaType {
    /// The media type in lower case: `image/png`.
    pub name: &'static str,
    /// What the type is called in messages: `PNG`.
    pub label: &'static str,
    /// The file name extensions in lower case: `.png`.
    pub extensions: &'static [&'static str],
    /// The first bytes of every input of this type. They take precedence over the request's
    /// `content-type`. A type with an empty signature is recognised by the `content-type`.
    #[serde(skip)]
    pub signature: &'static [u8],
}

/// Accepts every input. Used as [`InputRules::check`](field@InputRules::check) where nothing has to be validated.
pub const fn no_check(_: &'static MediaType, _: &[u8]) -> Result<(), String> {
    Ok(())
}

/// A parameter that a product does not accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidParameters {
    /// The path of the parameter, such as `columns[2]`; empty for all of them.
    pub path: String,
    /// What is wrong, as the predicate of a sentence about the parameter: `is missing`.
    pub problem: String,
}

/// Accepts every JSON object. Used as [`InputRules::check_parameters`](field@InputRules::check_parameters)
/// where the parameters have no type.
pub const fn any_parameters(_: &str) -> Result<(), InvalidParameters> {
    Ok(())
}

/// Accepts parameters that a `T` can be deserialized from. With `#[serde(deny_unknown_fields)]` on `T`, a
/// misspelt name is an error; with `#[serde(default)]`, a job needs no parameters.
///
/// ```
/// use serde::Deserialize;
/// use stagecast_contract::input::{InvalidParameters, parameters_of};
///
/// #[derive(Deserialize)]
/// struct Import {
///     columns: Vec<String>,
/// }
///
/// // The value of `InputRules::check_parameters`.
/// let check: fn(&str) -> Result<(), InvalidParameters> = parameters_of::<Import>;
/// assert!(check(r#"{"columns":["price"]}"#).is_ok());
/// let error = check(r#"{"columns":["price",7]}"#).unwrap_err();
/// assert_eq!(error.path, "columns[1]");
/// ```
pub fn parameters_of<T: DeserializeOwned>(json: &str) -> Result<(), InvalidParameters> {
    match reading::object::<T>("", json) {
        Ok(_) => Ok(()),
        Err(FieldError { path, problem }) => Err(InvalidParameters { path, problem }),
    }
}

impl InputRules {
    /// Rejects rules that no input can satisfy. For a `const` item, where it panics at compile time.
    #[track_caller]
    pub(crate) const fn check(&self) {
        if self.name.is_empty() || self.media_types.is_empty() {
            const_panic(&["the input rules have no name or no media type"]);
        }
        if self.max_bytes == 0 || self.max_bytes > MAX_UPLOAD_BYTES {
            const_panic(&[
                "the input rules have a max_bytes that no input can satisfy: it must be 1 to \
                 MAX_UPLOAD_BYTES",
            ]);
        }
    }

    /// Size limit of an input that is the body of a request, in bytes.
    pub fn max_body_bytes(&self) -> usize {
        self.max_bytes.min(MAX_INPUT_BYTES)
    }

    /// Determines the type of an input by its first bytes, else by the request's `content-type`.
    /// `None` if no accepted type matches.
    pub fn media_type(
        &self,
        bytes: &[u8],
        content_type: Option<&str>,
    ) -> Option<&'static MediaType> {
        let by_signature = self.media_types.iter().find(|media_type| {
            !media_type.signature.is_empty() && bytes.starts_with(media_type.signature)
        });
        by_signature.or_else(|| {
            self.media_type_named(content_type?)
                .filter(|media_type| media_type.signature.is_empty())
        })
    }

    /// The accepted type with this name. Its parameters are ignored: `text/csv; charset=utf-8` is
    /// `text/csv`. `None` if no accepted type has the name.
    pub fn media_type_named(&self, content_type: &str) -> Option<&'static MediaType> {
        let named = content_type.split(';').next()?.trim();
        let mut types = self.media_types.iter();
        types.find(|media_type| media_type.name.eq_ignore_ascii_case(named))
    }

    /// The labels of all types, for a message: `PNG or JPEG`.
    pub fn labels(&self) -> String {
        let labels: Vec<_> = self.media_types.iter().map(|it| it.label).collect();
        match &labels[..] {
            [others @ .., last] if !others.is_empty() => {
                format!("{} or {last}", others.join(", "))
            }
            all => all.concat(),
        }
    }

    /// [`Self::name`] with its article: `a floor plan`.
    pub fn name_with_article(&self) -> String {
        let article = if self.name.starts_with(['a', 'e', 'i', 'o', 'u']) {
            "an"
        } else {
            "a"
        };
        format!("{article} {}", self.name)
    }

    /// [`Self::max_bytes`] with its unit, for a message: `4 MB`.
    pub fn max_size(&self) -> String {
        const KIB: usize = 1024;
        match self.max_bytes {
            bytes if bytes.is_multiple_of(KIB * KIB * KIB) => {
                format!("{} GB", bytes / KIB / KIB / KIB)
            }
            bytes if bytes.is_multiple_of(KIB * KIB) => format!("{} MB", bytes / KIB / KIB),
            bytes if bytes.is_multiple_of(KIB) => format!("{} KB", bytes / KIB),
            bytes => format!("{bytes} bytes"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: InputRules = InputRules {
        name: "order",
        media_types: &[
            MediaType {
                name: "application/pdf",
                label: "PDF",
                extensions: &[".pdf"],
                signature: b"%PDF-",
            },
            MediaType {
                name: "text/csv",
                label: "CSV",
                extensions: &[".csv"],
                signature: b"",
            },
        ],
        max_bytes: 1536 * 1024,
        check: no_check,
        check_parameters: any_parameters,
        example: "",
    };

    #[test]
    fn signature_takes_precedence_over_content_type() {
        let name = |bytes: &[u8], content_type| {
            let media_type = RULES.media_type(bytes, content_type);
            media_type.map(|media_type| media_type.name)
        };
        assert_eq!(name(b"%PDF-1.7", Some("text/csv")), Some("application/pdf"));
        assert_eq!(
            name(b"a,b", Some("Text/CSV; charset=utf-8")),
            Some("text/csv")
        );
        assert_eq!(name(b"a,b", Some("application/pdf")), None);
        assert_eq!(name(b"a,b", Some("text/plain")), None);
        assert_eq!(name(b"a,b", None), None);
    }

    #[test]
    fn rules_are_formatted_for_messages() {
        assert_eq!(RULES.labels(), "PDF or CSV");
        assert_eq!(RULES.name_with_article(), "an order");
        assert_eq!(RULES.max_size(), "1536 KB");
        let largest = InputRules {
            max_bytes: MAX_INPUT_BYTES,
            ..RULES
        };
        assert_eq!(largest.max_size(), "4 MB");
        let upload = InputRules {
            max_bytes: MAX_UPLOAD_BYTES,
            ..RULES
        };
        assert_eq!(upload.max_size(), "50 GB");
        assert_eq!(upload.max_body_bytes(), MAX_INPUT_BYTES);
        assert_eq!(RULES.max_body_bytes(), RULES.max_bytes);
    }
}
