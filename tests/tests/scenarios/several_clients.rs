//! Several clients, each of one job.

use end_to_end::{
    System,
    script::{Script, StageScript},
};

#[tokio::test]
async fn clients_get_only_messages_of_their_own_job() {
    let system = System::scripted().await;
    let script = Script {
        stage_1: StageScript::slow(5, 50),
        ..Script::default()
    };
    let one = system.create_scripted(&script).await;
    let other = system.create_scripted(&script).await;
    let mut client_of_one = system.watch(&one).await;
    let mut client_of_other = system.watch(&other).await;
    for (client, job) in [(&mut client_of_one, &one), (&mut client_of_other, &other)] {
        for message in client.until_job_ends().await {
            assert_eq!(message["job_id"], job.id);
        }
    }
    client_of_one.close().await;
    client_of_other.close().await;
    system.finish().await;
}
