//! `infra-gen deploy --page`.

use std::path::Path;

use super::{
    fake::{FakeAws, Stack},
    program::{SAME, assert_failed, deploy, run, stack},
};
use crate::program::{infra_gen, stderr, stdout};

/// The stack of `dev` with a page.
fn with_page() -> Stack {
    let output = infra_gen(&["synth", "--stdout", "--page", "--format", "cloudformation"]);
    Stack {
        template: stdout(&output),
        ..stack("UPDATE_COMPLETE", SAME)
    }
}

/// The names of the page's files that were uploaded since the last call, in order.
fn uploaded(aws: &FakeAws, seen: &mut usize) -> Vec<String> {
    let requests = aws.requests("PutObject");
    let new = requests[*seen..].iter();
    let names = new.filter_map(|it| Some(it.path.strip_prefix("/the-page/")?.to_owned()));
    let names = names.collect();
    *seen = requests.len();
    names
}

#[test]
fn page_is_uploaded_after_the_deployment_with_its_configuration() {
    let aws = FakeAws::new();
    let output = deploy(&aws, &["--yes", "--page"]);
    let said = stderr(&output);
    assert!(output.status.success(), "{said}");
    assert!(
        stdout(&output).contains("  Progress page  https://page.example\n"),
        "{}",
        stdout(&output)
    );
    assert!(said.contains("from the progress page only"), "{said}");
    let files = uploaded(&aws, &mut 0);
    assert_eq!(files.first().map(String::as_str), Some("config.json"));
    assert_eq!(files.last().map(String::as_str), Some("index.html"));
    let calls = aws.calls();
    let executed = calls.iter().position(|call| call == "ExecuteChangeSet");
    let last = calls.iter().rposition(|call| call == "PutObject");
    assert!(executed < last, "{calls:?}");

    let requests = aws.requests("PutObject");
    let file = |name: &str| {
        let mut files = requests.iter();
        files
            .find(|it| Path::new(&it.path).ends_with(name))
            .expect(name)
    };
    let config = file("the-page/config.json");
    for text in [
        "\"http_api\":\"http",
        "\"websocket\":\"ws",
        "\"input\":{\"name\":\"floor plan\"",
    ] {
        assert!(config.body.contains(text), "{}", config.body);
    }
    for (name, media_type) in [
        ("config.json", "application/json"),
        ("index.html", "text/html; charset=utf-8"),
        ("page.js", "text/javascript; charset=utf-8"),
    ] {
        let headers = &file(&format!("the-page/{name}")).headers;
        assert_eq!(headers["content-type"], media_type);
        assert_eq!(headers["cache-control"], "no-cache", "{name}");
    }
}

#[test]
fn deployed_page_is_kept_and_only_changed_files_are_uploaded() {
    let aws = FakeAws::new().with_stack(with_page());
    let seen = &mut 0;
    let output = deploy(&aws, &["--yes"]);
    let said = stderr(&output);
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains("keeps its progress page; --no-page"),
        "{said}"
    );
    assert!(!said.contains("from the progress page only"), "{said}");
    assert!(uploaded(&aws, seen).len() >= 4, "{said}");

    let output = deploy(&aws, &["--yes"]);
    let said = stderr(&output);
    assert!(said.contains("there are no changes"), "{said}");
    assert!(said.contains("the progress page is up to date"), "{said}");
    assert_eq!(uploaded(&aws, seen), [""; 0]);

    let index = aws.without_hash("/the-page/index.html");
    let output = deploy(&index, &["--yes"]);
    let said = stderr(&output);
    assert!(
        said.contains("progress page: uploaded index.html; "),
        "{said}"
    );
    assert_eq!(uploaded(&index, seen), ["index.html"]);
}

#[test]
fn no_page_empties_the_bucket_before_it_is_deleted() {
    let aws = FakeAws::new().with_stack(with_page()).with_change(
        "PageBucket",
        "AWS::S3::Bucket",
        "Remove",
        "False",
    );
    aws.add_object("/the-page/index.html");
    let output = deploy(&aws, &["--yes", "--no-page"]);
    let said = stderr(&output);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("objects from the bucket the-page"), "{said}");
    assert!(!stdout(&output).contains("Progress page"), "{said}");
    let calls = aws.calls();
    let emptied = calls.iter().position(|call| call == "DeleteObjects");
    let executed = calls.iter().position(|call| call == "ExecuteChangeSet");
    assert!(emptied.is_some() && emptied < executed, "{calls:?}");
    assert!(
        !aws.objects()
            .iter()
            .any(|path| path.starts_with("/the-page/"))
    );
}

#[test]
fn failed_upload_says_that_the_stack_is_deployed() {
    let aws = FakeAws::new().with_stack(with_page());
    let output = deploy(&aws, &["--yes"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let denied = "<Error><Code>AccessDenied</Code><Message>no</Message></Error>";
    let aws = aws
        .without_hash("/the-page/page.js")
        .answering("PutObject", 403, denied, 1);
    assert_failed(
        &deploy(&aws, &["--yes"]),
        &[
            "the stack stagecast-dev is deployed, but its progress page is incomplete",
            "cannot upload 'page.js' to the bucket 'the-page'",
        ],
    );
}

#[test]
fn diff_keeps_the_page_unless_an_option_removes_it() {
    let aws = FakeAws::new().with_stack(with_page());
    let output = run(&aws, &["diff"]);
    assert!(
        !stdout(&output).contains("PageBucket"),
        "{}",
        stdout(&output)
    );
    assert!(stderr(&output).contains("--no-page"), "{}", stderr(&output));
    let output = run(&aws, &["diff", "--no-page"]);
    assert!(
        stdout(&output).contains("- PageBucket"),
        "{}",
        stdout(&output)
    );
}
