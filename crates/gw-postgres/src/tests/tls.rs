//! Encryption: who is trusted under which mode.

use gw_core::Kind;
use gw_core::seam::StoreHealth;

use super::Bed;
use crate::testbed::TestDatabase;
use crate::{PostgresOptions, Tls};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_count_where_they_are_asked_for() {
    let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("made");
    let (certificate, key) = (own.cert.pem(), own.signing_key.serialize_pem());
    let bed = Bed::on(TestDatabase::encrypted(&certificate, &key).await);
    let ca_file = bed.folder.path().join("ca.pem");
    std::fs::write(&ca_file, certificate).expect("written");
    let localhost = bed.database.url.replace("127.0.0.1", "localhost");
    let open = async |url: &str, tls, ca_file| {
        let options = PostgresOptions { url: url.into(), tls, ca_file, ..bed.options() };
        bed.open_with(options).await
    };
    for tls in [Tls::Prefer, Tls::Require] {
        let store = open(&bed.database.url, tls, None).await.expect("opened");
        store.check().await.expect("alive");
    }
    open(&localhost, Tls::Verify, Some(ca_file.clone())).await.expect("the right name, trusted");
    let plain =
        open(&bed.database.url, Tls::Disable, None).await.expect_err("the server wants TLS");
    assert_eq!(plain.kind(), Kind::StoreUnavailable);
    open(&localhost, Tls::Verify, None).await.expect_err("not trusted");
    open(&bed.database.url, Tls::Verify, Some(ca_file.clone())).await.expect_err("another name");
    let url = format!("{localhost}?sslmode=verify-full&sslrootcert={}", ca_file.display());
    open(&url, Tls::Disable, None).await.expect("the address decides");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_tls_is_refused_where_it_is_required() {
    let bed = Bed::shared().await;
    let options = PostgresOptions { tls: Tls::Require, ..bed.options() };
    assert!(bed.open_with(options).await.is_err());
    bed.open_with(PostgresOptions { tls: Tls::Disable, ..bed.options() }).await.expect("opened");
}
