//! Each case in `cases` is a program that must not compile, beside what the compiler must say.
//!
//! After a change of a message, `TRYBUILD=overwrite cargo test -p compile-time` writes down the new
//! one; read it as someone who has never seen the code before you keep it.

#[test]
fn what_must_not_compile_does_not_and_says_why() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("cases/*/*.rs");
}
