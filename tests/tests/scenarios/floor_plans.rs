//! The reference pipeline, which finds rooms in floor plans. Only these scenarios depend on its stages:
//! a product with other stages replaces them and `end_to_end::plans`.

use end_to_end::{System, plans};
use http::Method;
use serde_json::Value;

const PNG: &str = "image/png";

async fn failure(system: &System, body: Vec<u8>) -> Value {
    let job = system.create(PNG, body).await;
    let mut client = system.watch(&job).await;
    let failed = client.until_job_ends().await.pop().expect("an end");
    assert_eq!(failed["type"], "job_failed", "{failed}");
    client.close().await;
    failed["error"].clone()
}

#[tokio::test]
async fn floor_plan_yields_its_rooms_with_progress_at_every_stage() {
    let system = System::start().await;
    let job = system.create(PNG, plans::HOUSE.as_slice()).await;
    let mut client = system.connect().await;
    let subscribed = client.ask(&job.subscribe(), "subscribed").await;
    assert_eq!(subscribed["job_id"], job.id);
    assert_eq!(subscribed["recovered"], true);
    assert_eq!(subscribed["status"]["job_id"], job.id);
    let messages = client.until_job_ends().await;

    let stages: Vec<_> = messages
        .iter()
        .filter(|message| message["type"] == "stage_complete")
        .map(|message| message["stage"].clone())
        .collect();
    assert_eq!(stages, ["stage_1", "stage_2"]);
    let complete = messages.last().unwrap();
    assert_eq!(complete["type"], "job_complete");
    let rooms = complete["results"]["rooms"].as_array().unwrap();
    assert_eq!(
        rooms.len(),
        plans::ROOMS,
        "each room is found once: {rooms:#?}"
    );
    for room in rooms {
        let difference = room["area"].as_u64().unwrap().abs_diff(plans::ROOM_AREA);
        assert!(difference * 20 <= plans::ROOM_AREA, "within 5 %: {room}");
        assert!(
            room["bounding_box"]["width"].as_u64().unwrap() > 10,
            "{room}"
        );
    }
    let seqs: Vec<_> = messages
        .iter()
        .filter(|message| message["type"] != "progress_update")
        .map(|message| message["seq"].as_u64().unwrap())
        .collect();
    assert_eq!(seqs, [1, 2, 3]);
    client.close().await;
    system.finish().await;
}

#[tokio::test]
async fn input_that_is_not_an_image_is_rejected_with_accepted_types() {
    let system = System::start().await;
    let headers = [("content-type", PNG)];
    let answer = system
        .http
        .request(Method::POST, "/v1/jobs", &headers, "hello")
        .await;
    assert_eq!(answer.status, 415);
    let error = &answer.json()["error"];
    assert_eq!(error["code"], "unsupported_media_type");
    let supported = serde_json::json!(["image/png", "image/jpeg"]);
    assert_eq!(error["supported"], supported);
    let message = error["message"].as_str().expect("a message");
    assert!(message.contains("a floor plan as PNG or JPEG"), "{message}");
    system.finish().await;
}

#[tokio::test]
async fn invalid_images_fail_with_a_code_and_block_no_other_job() {
    let system = System::start().await;
    let broken = plans::HOUSE[..plans::HOUSE.len() / 2].to_vec();
    assert_eq!(failure(&system, broken).await["code"], "broken_image");
    let bomb = failure(&system, plans::bomb()).await;
    assert_eq!(bomb["code"], "image_too_large");
    assert!(
        bomb["message"].as_str().unwrap().contains("20000 x 20000"),
        "{bomb}"
    );
    let blank = failure(&system, plans::blank(400, 300)).await;
    assert_eq!(blank["code"], "no_walls");
    assert!(
        blank["message"]
            .as_str()
            .unwrap()
            .contains("shows no walls"),
        "{blank}"
    );

    let job = system.create(PNG, plans::HOUSE.as_slice()).await;
    let mut client = system.watch(&job).await;
    assert_eq!(
        client.until_job_ends().await.pop().unwrap()["type"],
        "job_complete"
    );
    client.close().await;
    system.finish().await;
}
