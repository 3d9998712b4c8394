//! What the jobs of the pipeline are made from.
//!
//! A product that replaces the reference pipeline replaces [`INPUT`]. Everything that depends on it
//! follows: what `POST /v1/jobs` accepts, what its errors say, the OpenAPI document, and what the
//! progress page offers and accepts. Jobs for external workers accept any input.

use serde::Serialize;

use crate::{const_fmt::const_panic, limits::MAX_INPUT_BYTES};

/// What the jobs of the pipeline are made from.
pub const INPUT: InputRules = InputRules {
    name: "floor plan",
    media_types: &[
        MediaType {
            name: "image/png",
            label: "PNG",
            extensions: &[".png"],
            signature: b"\x89PNG\r\n\x1a\n",
        },
        MediaType {
            name: "image/jpeg",
            label: "JPEG",
            extensions: &[".jpg", ".jpeg"],
            signature: b"\xff\xd8\xff",
        },
    ],
    max_bytes: MAX_INPUT_BYTES,
    check: no_check,
    example: "client/page/sample-plan.png",
};

/// Which inputs jobs are made from. As JSON, it is what the progress page reads.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct InputRules {
    /// What an input is, as a noun for people: `floor plan`.
    pub name: &'static str,
    /// The accepted types. The first one is used in examples.
    pub media_types: &'static [MediaType],
    /// Size of the largest input, in bytes; at most [`MAX_INPUT_BYTES`].
    pub max_bytes: usize,
    /// Looks at an input of an accepted type before a job is made from it. An error says what is
    /// wrong and the way out; the client gets it with the code `invalid_input`. [`no_check`] accepts
    /// everything. What takes more than milliseconds belongs into the first stage.
    #[serde(skip)]
    pub check: fn(&'static MediaType, &[u8]) -> Result<(), String>,
    /// A file of the repository that is such an input, for commands to try. Empty if there is none.
    #[serde(skip)]
    pub example: &'static str,
}

/// A type of input that jobs are made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MediaType {
    /// `image/png`, in lower case.
    pub name: &'static str,
    /// What people call it: `PNG`.
    pub label: &'static str,
    /// How the names of such files end: `.png`, in lower case.
    pub extensions: &'static [&'static str],
    /// The first bytes of every input of this type. They decide, whatever the request's
    /// `content-type` says. A type without a signature is recognised by the `content-type`.
    #[serde(skip)]
    pub signature: &'static [u8],
}

/// Accepts every input: the `check` of rules that have none.
pub const fn no_check(_: &'static MediaType, _: &[u8]) -> Result<(), String> {
    Ok(())
}

impl InputRules {
    /// The type of an input, by its first bytes or by the request's `content-type`.
    pub fn media_type(
        &self,
        bytes: &[u8],
        content_type: Option<&str>,
    ) -> Option<&'static MediaType> {
        let by_signature = self.media_types.iter().find(|media_type| {
            !media_type.signature.is_empty() && bytes.starts_with(media_type.signature)
        });
        by_signature.or_else(|| {
            // Without parameters: `text/csv; charset=utf-8` is `text/csv`.
            let named = content_type?.split(';').next()?.trim();
            self.media_types.iter().find(|media_type| {
                media_type.signature.is_empty() && media_type.name.eq_ignore_ascii_case(named)
            })
        })
    }

    /// The labels for people: `PNG or JPEG`.
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

    /// [`Self::max_bytes`] for people: `4 MB`.
    pub fn max_size(&self) -> String {
        const KIB: usize = 1024;
        match self.max_bytes {
            bytes if bytes.is_multiple_of(KIB * KIB) => format!("{} MB", bytes / KIB / KIB),
            bytes if bytes.is_multiple_of(KIB) => format!("{} KB", bytes / KIB),
            bytes => format!("{bytes} bytes"),
        }
    }
}

/// Refuses rules that no input could follow.
const _: () = {
    if INPUT.name.is_empty() || INPUT.media_types.is_empty() {
        const_panic(&["INPUT has no name or no media type (contract/src/input.rs)"]);
    }
    if INPUT.max_bytes == 0 || INPUT.max_bytes > MAX_INPUT_BYTES {
        const_panic(&[
            "INPUT has a max_bytes that no request can have: it must be 1 to MAX_INPUT_BYTES, \
             because Lambda takes no more (contract/src/input.rs)",
        ]);
    }
};

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
        example: "",
    };

    #[test]
    fn signature_decides_before_the_content_type_does() {
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
    fn rules_are_worded_for_people() {
        assert_eq!(RULES.labels(), "PDF or CSV");
        assert_eq!(RULES.name_with_article(), "an order");
        assert_eq!(RULES.max_size(), "1536 KB");
        assert_eq!(INPUT.max_size(), "4 MB");
    }
}
