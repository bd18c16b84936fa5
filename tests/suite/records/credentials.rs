//! Stored credentials: whose they are, and what takes whose place.

use modelferry::credentials::{CredentialName, Sealed, Slot};
use modelferry::error::Code;

use super::on_each_database;
use crate::databases::TestDatabase;

on_each_database! {
    a_credential_is_found_by_its_owner,
    a_second_one_of_a_name_takes_the_firsts_place,
    a_removed_credential_is_gone,
    a_labelled_one_keeps_where_it_goes,
    what_another_owner_stored_can_not_be_removed,
}

fn sealed(text: &str) -> Sealed {
    Sealed {
        key_id: "key_1".to_owned(),
        nonce: vec![0; 12],
        sealed: [text.as_bytes(), &[0xff, 0]].concat(),
    }
}

fn host() -> Slot {
    Slot::read("example.com:8443", None).unwrap()
}

async fn a_credential_is_found_by_its_owner(database: &TestDatabase) {
    let records = &database.records;
    let hub = Slot::from(CredentialName::HuggingFace);
    for (owner, name, text) in [
        ("ann", &hub, "1"),
        ("ann", &host(), "2"),
        ("bob", &hub, "3"),
    ] {
        let put = records.put_credential(owner, name, &sealed(text)).await;
        put.unwrap();
    }
    let found = records.credentials("ann").await.unwrap();
    let found: Vec<_> = found.iter().map(|row| (&row.slot, &row.sealed)).collect();
    assert_eq!(found, [(&host(), &sealed("2")), (&hub, &sealed("1"))]);
    assert!(records.credentials("eve").await.unwrap().is_empty());
}

async fn a_second_one_of_a_name_takes_the_firsts_place(database: &TestDatabase) {
    let records = &database.records;
    let put = async |text| {
        let put = records.put_credential("ann", &host(), &sealed(text)).await;
        put.unwrap();
        let mut found = records.credentials("ann").await.unwrap();
        assert_eq!(found.len(), 1);
        found.remove(0)
    };
    let first = put("1").await;
    let second = put("2").await;
    assert_eq!(second.sealed, sealed("2"));
    assert_eq!(second.created_at, first.created_at);
    assert!(second.updated_at >= first.updated_at);
}

async fn a_removed_credential_is_gone(database: &TestDatabase) {
    let records = &database.records;
    let put = records.put_credential("ann", &host(), &sealed("1")).await;
    put.unwrap();
    records
        .remove_credential("ann", host().name())
        .await
        .unwrap();
    assert!(records.credentials("ann").await.unwrap().is_empty());
    let again = records.remove_credential("ann", host().name()).await;
    assert_eq!(again.unwrap_err().code, Code::NotFound);
}

async fn a_labelled_one_keeps_where_it_goes(database: &TestDatabase) {
    let records = &database.records;
    let slot = Slot::read("team", Some("huggingface")).unwrap();
    let put = records.put_credential("ann", &slot, &sealed("1")).await;
    put.unwrap();
    let found = records.credential("ann", "team").await.unwrap().unwrap();
    assert_eq!((found.slot, found.sealed), (slot, sealed("1")));
    for (owner, name) in [("ann", "huggingface"), ("ann", "Team"), ("bob", "team")] {
        let found = records.credential(owner, name).await.unwrap();
        assert_eq!(found, None, "{owner} {name}");
    }
}

async fn what_another_owner_stored_can_not_be_removed(database: &TestDatabase) {
    let records = &database.records;
    let put = records.put_credential("ann", &host(), &sealed("1")).await;
    put.unwrap();
    let removed = records.remove_credential("bob", host().name()).await;
    assert_eq!(removed.unwrap_err().code, Code::NotFound);
    assert_eq!(records.credentials("ann").await.unwrap().len(), 1);
}
