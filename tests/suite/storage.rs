//! What every storage promises, held against each of them, and what only a
//! bucket has to stand.

mod azure;
mod cloud;
mod end_to_end;
mod exported;
mod intake;
pub mod moto;
mod promises;
pub mod s3;
mod script;

use std::any::Any;
use std::sync::Arc;

use modelferry::storage::{Door, LocalStorage, Storage};

/// One storage under test.
pub struct Bench {
    pub storage: Arc<dyn Storage>,
    /// Opens it as another process would.
    reopen: Box<dyn Fn() -> Arc<dyn Storage> + Send + Sync>,
    /// Who takes parts that a client brings.
    pub door: Door,
    /// What it stands on, for as long as the test runs.
    _stand: Box<dyn Any + Send + Sync>,
}

impl Bench {
    pub fn new(
        reopen: impl Fn() -> Arc<dyn Storage> + Send + Sync + 'static,
        stand: impl Any + Send + Sync,
    ) -> Self {
        Self {
            storage: reopen(),
            reopen: Box::new(reopen),
            door: Door::Store,
            _stand: Box::new(stand),
        }
    }

    /// The same, with this program taking the parts that a client brings.
    fn through_the_server(self) -> Self {
        Self {
            door: Door::Server,
            ..self
        }
    }

    pub fn another_process(&self) -> Arc<dyn Storage> {
        (self.reopen)()
    }
}

async fn folder() -> Bench {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().to_owned();
    Bench::new(move || Arc::new(LocalStorage::open(&path).unwrap()), root)
}

async fn bucket() -> Bench {
    let server = s3::Server::start().await;
    let place = server.place("models");
    Bench::new(move || place.open(), server)
}

async fn bucket_behind_the_server() -> Bench {
    bucket().await.through_the_server()
}

async fn bucket_of_moto_behind_the_server() -> Bench {
    moto::bucket().await.through_the_server()
}

/// Holds each promise against one storage.
macro_rules! keeps {
    ($storage:ident, $open:path: $($promise:ident)*) => {
        mod $storage {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $promise() {
                    let bench = $open().await;
                    super::promises::$promise(&bench).await;
                }
            )*
        }
    };
}

/// Each promise, on each storage.
macro_rules! every_storage {
    ($($promise:ident)*) => {
        keeps!(a_folder, super::folder: $($promise)*);
        keeps!(a_bucket, super::bucket: $($promise)*);
        keeps!(a_bucket_of_moto, super::moto::bucket: $($promise)*);
        keeps!(a_container_of_azure, super::azure::container: $($promise)*);
    };
}

every_storage! {
    a_published_blob_reads_back_as_it_was
    a_blob_has_no_name_until_it_is_published
    another_process_goes_on_with_staged_parts
    the_later_of_two_writes_of_a_part_counts
    parts_may_be_written_out_of_order
    what_is_there_already_is_replaced_by_the_same
    nothing_stays_staged_after_a_publish
    publishing_again_leaves_the_blob_whole
    other_bytes_than_the_expected_get_no_name
    staging_again_starts_over
    what_is_discarded_is_gone
    discarding_an_upload_takes_all_of_its_files
    uploads_with_staged_bytes_are_listed
    a_small_thing_is_put_whole_and_replaced
    any_range_can_be_read
    a_reader_can_go_to_and_fro
    what_is_not_there_is_missing_and_not_an_error_to_remove
    blobs_and_manifests_are_listed
}

/// What each storage promises of parts that a client brings.
macro_rules! every_intake {
    ($($promise:ident)*) => {
        mod parts {
            keeps!(a_folder, crate::storage::folder: $($promise)*);
            keeps!(a_bucket, crate::storage::bucket: $($promise)*);
            keeps!(a_bucket_of_moto, crate::storage::moto::bucket: $($promise)*);
            keeps!(a_bucket_behind_the_server, crate::storage::bucket_behind_the_server: $($promise)*);
            keeps!(a_bucket_of_moto_behind_the_server, crate::storage::bucket_of_moto_behind_the_server: $($promise)*);
            keeps!(a_container_of_azure, crate::storage::azure::container: $($promise)*);
            use crate::storage::intake as promises;
        }
    };
}

every_intake! {
    brought_parts_become_the_file
    another_process_puts_them_together
    what_is_put_together_twice_is_the_same
    a_part_that_is_another_since_is_told
    a_part_that_is_gone_is_told
    opening_again_starts_over
    what_was_brought_goes_with_its_upload
}

/// What this program promises where it takes the parts itself.
macro_rules! every_door {
    ($($promise:ident)*) => {
        mod doors {
            keeps!(a_folder, crate::storage::folder: $($promise)*);
            keeps!(a_bucket, crate::storage::bucket_behind_the_server: $($promise)*);
            keeps!(a_container_of_azure, crate::storage::azure::container: $($promise)*);
            use crate::storage::intake as promises;
        }
    };
}

every_door! {
    a_part_that_breaks_off_is_not_taken
    of_two_at_once_one_is_taken_whole
    no_part_is_taken_once_they_are_put_together
}
