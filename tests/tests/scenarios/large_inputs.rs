//! Inputs that do not fit into the memory of their function.

use std::{
    fs::{self, OpenOptions},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use end_to_end::{
    Client, Engine, Job, System, needs,
    script::{self, Gate, Script, StageScript, hex},
};
use http::Method;
use local_aws::Times;
use ring::digest::{Context, SHA256};
use serde_json::json;
use stagecast_contract::limits::UPLOAD_PART_BYTES;

use super::uploads;

/// Names the variable with the size of the input in MiB. A debug build streams about 30 MiB a second, so
/// the default is only twice the memory that the function may use.
const SIZE: &str = "STAGECAST_LARGE_INPUT_MIB";
const DEFAULT_MIB: u64 = 512;

/// The most memory that the function's process may use, in KiB.
const MAX_PEAK_KIB: u64 = 256 * 1024;

/// The size of the input, in bytes.
fn size() -> u64 {
    let mib = std::env::var(SIZE).map_or(DEFAULT_MIB, |mib| {
        mib.parse()
            .unwrap_or_else(|error| panic!("{SIZE}: {error}"))
    });
    mib * 1024 * 1024
}

/// The objects of a local stack that are inputs.
fn inputs(data_dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut inputs = Vec::new();
    for bucket in fs::read_dir(data_dir.join("objects"))? {
        let Ok(jobs) = fs::read_dir(bucket?.path().join("jobs")) else {
            continue;
        };
        for job in jobs {
            inputs.push(job?.path().join("input"));
        }
    }
    Ok(inputs)
}

/// The SHA-256 of `beginning` and as many zeros as make `size` bytes.
fn expected_hash(beginning: &[u8], size: u64) -> String {
    let mut hash = Context::new(&SHA256);
    hash.update(beginning);
    let zeros = vec![0; 1024 * 1024];
    let mut left = usize::try_from(size).expect("64 bits") - beginning.len();
    while left > 0 {
        let length = left.min(zeros.len());
        hash.update(&zeros[..length]);
        left -= length;
    }
    hex(hash.finish().as_ref())
}

#[tokio::test]
async fn input_larger_than_memory_streams_through_a_stage() {
    needs!(AdjustStack, InjectFaults);
    let size = size();
    let data_dir = Arc::new(tempfile::tempdir().expect("a folder"));
    let system = System::scripted_with(|options| {
        options.data_dir = Some(data_dir.path().to_owned());
    })
    .await;
    // The script is followed by zeros, which take no room on the disk, before the pipeline reads it.
    let (folder, first_read) = (Arc::clone(&data_dir), Times::new(1));
    system.local().faults().on_call(move |call| {
        if call.caller == "pipeline" && call.operation == "s3:GetObject" && first_read.take() {
            for input in inputs(folder.path()).expect("the folder of the objects") {
                let file = OpenOptions::new().write(true).open(input);
                file.and_then(|file| file.set_len(size))
                    .expect("a sparse file");
            }
        }
        None
    });
    let script = hashing();
    let gate = Gate::closed();
    let script = script.behind(&gate);
    let job = system.create_scripted(&script).await;
    let mut client = system.watch(&job).await;
    gate.open();

    expect_streamed(&mut client, &script, size).await;
    client.close().await;
    system.finish().await;
}

/// The same through uploads and a bucket that has the bytes.
#[tokio::test]
async fn uploaded_input_larger_than_memory_streams_through_a_stage() {
    if Engine::chosen() == Engine::Local && std::env::var_os(SIZE).is_none() {
        // The sparse input above proves the stage, and the scenarios of uploads prove the rest, without writing
        // the bytes to the disk.
        return;
    }
    let size = size();
    let system = System::scripted().await;
    let script = hashing();
    let description = json!({"input": {"content_type": script::MEDIA_TYPE, "size": size}});
    let (job, created) = uploads::describe(&system, &description).await;
    let mut client = system.watch(&job).await;
    let mut first = script.body();
    first.resize(UPLOAD_PART_BYTES, 0);
    let (first, zeros) = (Bytes::from(first), Bytes::from(vec![0; UPLOAD_PART_BYTES]));
    let parts = created["upload"]["parts"].as_array().expect("parts");
    for (index, part) in parts.iter().enumerate() {
        let bytes = if index == 0 { &first } else { &zeros };
        let sent = uploads::put_bytes(&system, part, bytes).await;
        assert_eq!(sent.status, 200, "{:?}", sent.body);
    }
    complete(&system, &job).await;

    expect_streamed(&mut client, &script, size).await;
    client.close().await;
    system.finish().await;
}

/// Completes the upload. The bucket may take longer to join the parts than a request, so it is repeated, as clients do.
async fn complete(system: &System, job: &Job) {
    for _ in 0..5 {
        let completed = uploads::upload(system, job, Method::POST).await;
        if !completed.status.is_server_error() {
            assert_eq!(completed.status, 200, "{:?}", completed.body);
            return;
        }
    }
    panic!("the upload is not completed");
}

/// A script whose first stage hashes the input.
fn hashing() -> Script {
    Script {
        stage_1: StageScript {
            hash_input: true,
            ..StageScript::default()
        },
        ..Script::default()
    }
}

/// Expects that the first stage has read the script and as many zeros as make `size` bytes, in bounded memory,
/// and that the job completes.
async fn expect_streamed(client: &mut Client, script: &Script, size: u64) {
    let complete = client.expect("stage_complete").await;
    let input = &complete["results"]["input"];
    assert_eq!(input["bytes"], size);
    assert_eq!(input["sha256"], expected_hash(&script.body(), size));
    let peak = input["peak_kib"].as_u64().expect("the peak of the process");
    eprintln!("{size} bytes, peak {peak} KiB");
    assert!(peak < MAX_PEAK_KIB, "{peak} KiB");
    client.expect("stage_complete").await;
    client.expect("job_complete").await;
}
