#[tokio::test]
async fn zz_fuzz() {
    let gateway = super::fixture::gateway();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:38911").await.unwrap();
    let stop = async { tokio::time::sleep(std::time::Duration::from_secs(500)).await };
    crate::serve(
        listener,
        gateway.router.clone(),
        stop,
        crate::ServeOptions { grace_ms: 10, ..Default::default() },
    )
    .await
    .unwrap();
}
