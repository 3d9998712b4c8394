//! Creates a job from a file and shows its progress: `watch_job plan.png image/png`. The address of the HTTP API is
//! in `STAGECAST_URL`, that of `cargo dev` without it.

#![allow(clippy::print_stdout, reason = "it is a command")]

use stagecast_client::{Client, Error, JobMessage, NewJob};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let (Some(file), Some(content_type)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: watch_job FILE MEDIA_TYPE");
        std::process::exit(2);
    };
    let url = std::env::var("STAGECAST_URL").unwrap_or_else(|_| "http://127.0.0.1:4800".to_owned());
    let job = Client::new(&url)?
        .create(NewJob::from_file(file, content_type))
        .await?;
    println!("{} is created", job.id().as_str());
    let mut watch = job.watch();
    while let Some(message) = watch.next().await {
        match message? {
            JobMessage::Progress(it) => println!("{:>3}% {}", it.overall_progress, it.message),
            JobMessage::StageComplete(it) => println!("{} is complete", it.stage),
            JobMessage::JobComplete(_) => {
                println!("{}", job.results::<serde_json::Value>().await?);
            }
            JobMessage::JobFailed(it) => {
                println!("failed: {} ({})", it.error.message, it.error.code);
            }
            JobMessage::JobCancelled(_) => println!("cancelled"),
        }
    }
    Ok(())
}
