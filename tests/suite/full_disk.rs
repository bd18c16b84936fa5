//! A disk that runs full in the middle, and has room again later.

use modelferry_fixtures::{Content, Fault, Hub, Repo, Scene, Site};

use crate::support::disk::Disk;
use crate::support::pipeline::MIB;
use crate::support::{Home, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_met_a_full_disk_goes_on_when_there_is_room() {
    let content = Content::seeded(1, 140 * MIB);
    let repo = Repo::model("acme/big").lfs("big.bin", content.clone());
    let hub = Hub::start(Scene::empty().repo(repo)).await.unwrap();
    hub.order(Fault::throttle(8 * MIB).method("GET").on(Site::Cdn));
    let disk = Disk::of_megabytes(220);
    let home = Home::of(&hub).on(&disk).with("MODELFERRY_MEMORY", "24 MiB");
    let words = ["acme/big", "--kind", "asset"];
    let running = home.start(&["import", "--json", words[0], words[1], words[2]]);
    eventually("most of it came", || hub.bytes_sent(Site::Cdn) > 112 * MIB);
    // Somebody else takes the room. Not all of it: what is left over is for the records.
    let ballast = disk.path().join("ballast");
    std::fs::write(&ballast, vec![0; 82 << 20]).unwrap();
    let line = running.ended().one_line();
    assert_eq!(line["error"]["code"], "storage_full", "{line:#}");
    assert_eq!(line["upload"]["status"], "failed");
    assert_eq!(home.blobs(), Vec::<String>::new());

    std::fs::remove_file(ballast).unwrap();
    hub.clear_faults();
    let before = hub.bytes_sent(Site::Cdn);
    let again = home.import(&words);
    assert_eq!(again["outcome"], "imported", "{again:#}");
    assert_eq!(again["upload"]["id"], line["upload"]["id"]);
    let fetched = hub.bytes_sent(Site::Cdn) - before;
    assert!(fetched < 90 * MIB, "{} MiB came again", fetched / MIB);
    home.assert_holds_only(&[content.sha256()]);
}
